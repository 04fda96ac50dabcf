/** The command line and the network: HTTP front end, metrics, commands. */
@NullMarked
package dev.apus.server;

import org.jspecify.annotations.NullMarked;
