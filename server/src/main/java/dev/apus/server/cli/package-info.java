/** The command line: one class per subcommand. */
@NullMarked
package dev.apus.server.cli;

import org.jspecify.annotations.NullMarked;
