package dev.apus.loadtest.openloop;

/** Told of a stream as it comes, on the client's thread. */
interface StreamListener {
    /** A piece of text has come. */
    void piece();

    /** The stream's usage has come. */
    void usage(long promptTokens, long outputTokens);
}
