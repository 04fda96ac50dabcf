/** Gatling's scenarios: streams of chat, in many shapes of load. */
@NullMarked
package dev.apus.loadtest.gatling;

import org.jspecify.annotations.NullMarked;
