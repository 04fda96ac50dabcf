/** From a model folder to a forward pass: configuration, architectures, decoder. */
@NullMarked
package dev.apus.models;

import org.jspecify.annotations.NullMarked;
