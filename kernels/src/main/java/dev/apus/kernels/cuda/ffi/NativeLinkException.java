package dev.apus.kernels.cuda.ffi;

/** A native function was called whose library, or whose symbol in it, is not there; the message names what was tried. */
public final class NativeLinkException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public NativeLinkException(String message) {
        super(message);
    }
}
