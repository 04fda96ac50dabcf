/** Tests of the chat template interpreter. */
@NullMarked
package dev.apus.models.chat;

import org.jspecify.annotations.NullMarked;
