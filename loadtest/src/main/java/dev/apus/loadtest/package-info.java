/** Load tests of a running server, Apus or another that speaks OpenAI's API: {@code ./apus loadtest}. */
@NullMarked
package dev.apus.loadtest;

import org.jspecify.annotations.NullMarked;
