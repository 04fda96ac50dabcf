@NullMarked
package dev.apus.server.grpc;

import org.jspecify.annotations.NullMarked;
