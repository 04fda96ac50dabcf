package dev.apus.server.http;

/** Files over HTTP/2 with TLS. */
class FilesHttp2Test extends FilesTest {
    @Override
    Wire wire() {
        return Wire.TLS_HTTP_2;
    }

    @Override
    void refusesALengthThatIsTooMuchBeforeItIsSent() {
        // Over HTTP/1.1 alone.
    }

    @Override
    void aClientThatGoesLeavesNothing() {
        // Over HTTP/1.1 alone.
    }
}
