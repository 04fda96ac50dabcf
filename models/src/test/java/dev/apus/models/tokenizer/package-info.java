/** Tests of the tokenizers. */
@NullMarked
package dev.apus.models.tokenizer;

import org.jspecify.annotations.NullMarked;
