package dev.apus.server;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Imports point downward only, as docs/architecture.md draws it. */
class ModuleRulesTest {
    private static final List<String> MODULES =
            List.of("kernels", "loaders", "models", "kvcache", "scheduler", "server");

    private final JavaClasses classes = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("dev.apus");

    @Test
    void importsPointDownward() {
        layeredArchitecture()
                .consideringOnlyDependenciesInLayers()
                .layer("kernels")
                .definedBy("dev.apus.kernels..")
                .layer("loaders")
                .definedBy("dev.apus.loaders..")
                .layer("models")
                .definedBy("dev.apus.models..")
                .layer("kvcache")
                .definedBy("dev.apus.kvcache..")
                .layer("scheduler")
                .definedBy("dev.apus.scheduler..")
                .layer("server")
                .definedBy("dev.apus.server..")
                .whereLayer("server")
                .mayNotBeAccessedByAnyLayer()
                .whereLayer("scheduler")
                .mayOnlyBeAccessedByLayers("server")
                .whereLayer("models")
                .mayOnlyBeAccessedByLayers("scheduler", "server")
                .whereLayer("kvcache")
                .mayOnlyBeAccessedByLayers("scheduler")
                .whereLayer("loaders")
                .mayOnlyBeAccessedByLayers("models", "scheduler", "server")
                .whereLayer("kernels")
                .mayOnlyBeAccessedByLayers("loaders", "models", "scheduler", "server")
                .check(classes);
    }

    @Test
    void theServersPackagesHaveNoCycles() {
        slices().matching("dev.apus.server.(*)..").should().beFreeOfCycles().check(classes);
    }

    @Test
    void everyModuleIsLookedAt() {
        for (String module : MODULES) {
            assertThat(classes).anyMatch(c -> c.getPackageName().startsWith("dev.apus." + module));
        }
    }

    @Test
    void onlyTheCpuBackendKnowsTheVectorApi() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.apus.kernels.cpu..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("jdk.incubator.vector..")
                .check(classes);
    }

    /** A model, an adapter or a request is data: nothing in it can be made to run. */
    @Test
    void nothingReadsCodeOrObjectsFromFiles() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .haveFullyQualifiedName("java.io.ObjectInputStream")
                .orShould()
                .dependOnClassesThat()
                .haveFullyQualifiedName("java.net.URLClassLoader")
                .orShould()
                .dependOnClassesThat()
                .resideInAnyPackage("javax.script..", "javax.imageio..", "java.rmi..", "javax.naming..", "java.beans..")
                .check(classes);
    }

    /**
     * No request can make the server fetch something: images, files and the like are refused by name. Traces go to the one collector that the
     * server was configured with, by the one class that knows how.
     */
    @Test
    void theFrontEndOpensNoConnections() {
        noClasses()
                .that()
                .resideInAnyPackage(
                        "dev.apus.server.http..",
                        "dev.apus.server.grpc..",
                        "dev.apus.server.auth..",
                        "dev.apus.server.tls..",
                        "dev.apus.server.tracing..")
                .and()
                .doNotHaveFullyQualifiedName("dev.apus.server.tracing.OtlpSender")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("java.net.http..")
                .orShould()
                .dependOnClassesThat()
                .haveFullyQualifiedName("java.net.Socket")
                .orShould()
                .dependOnClassesThat()
                .haveFullyQualifiedName("java.net.URLConnection")
                .orShould()
                .dependOnClassesThat()
                .haveFullyQualifiedName("java.net.URL")
                .orShould()
                .dependOnClassesThat()
                .haveFullyQualifiedName("io.netty.bootstrap.Bootstrap")
                .orShould()
                .callMethod(ProcessBuilder.class, "start")
                .check(classes);
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.apus.server.tracing..")
                .and()
                .doNotHaveFullyQualifiedName("dev.apus.server.http.RequestTraces")
                .should()
                .dependOnClassesThat()
                .haveFullyQualifiedName("dev.apus.server.tracing.OtlpSender")
                .check(classes);
    }

    @Test
    void theFrontEndDoesNotTouchKernels() {
        noClasses()
                .that()
                .resideInAPackage("dev.apus.server.http..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("dev.apus.kernels..")
                .check(classes);
    }
}
