/** Text to token ids and back. */
@NullMarked
package dev.apus.models.tokenizer;

import org.jspecify.annotations.NullMarked;
