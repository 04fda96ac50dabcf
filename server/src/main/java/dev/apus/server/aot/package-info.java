/** The training run that the JVM's AOT cache is made of, so that the next start need not load and verify classes again. */
@NullMarked
package dev.apus.server.aot;

import org.jspecify.annotations.NullMarked;
