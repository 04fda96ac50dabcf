/** Tests of the checkpoint readers. */
@NullMarked
package dev.apus.loaders;

import org.jspecify.annotations.NullMarked;
