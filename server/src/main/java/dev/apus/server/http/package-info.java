/** The HTTP front end: the OpenAI API, health, metrics and what vLLM adds to them. */
@NullMarked
package dev.apus.server.http;

import org.jspecify.annotations.NullMarked;
