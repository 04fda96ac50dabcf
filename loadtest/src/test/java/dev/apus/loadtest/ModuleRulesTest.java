package dev.apus.loadtest;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** A load test knows a server by its protocols only. */
class ModuleRulesTest {
    @Test
    void importsNoOtherModule() {
        JavaClasses ours = new ClassFileImporter().importPath(Path.of("target/classes/dev/apus/loadtest"));
        assertThat(ours).isNotEmpty();
        classes()
                .that()
                .resideInAPackage("dev.apus.loadtest..")
                .should()
                .onlyDependOnClassesThat(DescribedPredicate.describe(
                        "are of load tests, of the protocol files or of others",
                        type -> !type.getPackageName().startsWith("dev.apus.")
                                || type.getPackageName().startsWith("dev.apus.loadtest")
                                || type.getPackageName().startsWith("dev.apus.proto")))
                .check(ours);
    }
}
