/** Checkpoints to tensors and back: safetensors and GGUF. */
@NullMarked
package dev.apus.loaders;

import org.jspecify.annotations.NullMarked;
