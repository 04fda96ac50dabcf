package dev.apus.server.http;

import dev.apus.scheduler.EngineEvent.FinishReason;
import java.util.concurrent.CountDownLatch;

/**
 * Answers with the prompt over again until {@code max_tokens}, one token an event. A prompt that begins with {@code BREAK} is answered by
 * two tokens, and by a failure when a prompt that begins with {@code GO} has come: so a client can see the failure in mid-stream.
 */
final class EchoScript implements ScriptedEngine.Script {
    private final CountDownLatch go = new CountDownLatch(1);

    @Override
    public void play(ScriptedEngine.Answer answer) throws InterruptedException {
        int[] prompt = answer.request().prompt();
        String text = new String(prompt, 0, prompt.length);
        if (text.startsWith("GO")) {
            go.countDown();
        }
        answer.promptLogprobs();
        int most = text.startsWith("BREAK") ? 2 : answer.request().params().maxTokens();
        for (int i = 0; i < most && !answer.aborted(); i++) {
            answer.tokens(prompt[i % prompt.length]);
        }
        if (text.startsWith("BREAK")) {
            go.await();
            answer.fail("the device is lost", false);
        } else {
            answer.finish(FinishReason.LENGTH, -1);
        }
    }
}
