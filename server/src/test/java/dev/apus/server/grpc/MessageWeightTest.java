package dev.apus.server.grpc;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.Struct;
import com.google.protobuf.UnknownFieldSet;
import com.google.protobuf.Value;
import dev.apus.proto.v1.ChatRequest;
import dev.apus.proto.v1.GenerateRequest;
import dev.apus.proto.v1.InferenceGrpc;
import dev.apus.proto.v1.Message;
import dev.apus.proto.v1.Sampling;
import dev.apus.proto.v1.TokenIds;
import java.util.Arrays;
import java.util.Collections;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** A message's weight is known before it is parsed: few bytes may become many objects. */
class MessageWeightTest {
    private static long weight(com.google.protobuf.Message message) {
        return MessageWeight.of(message.getDescriptorForType(), message.toByteArray());
    }

    private static final class Memory implements CallAdmission {
        private long parsed;

        @Override
        public boolean brief() {
            return false;
        }

        @Override
        public boolean tryTake(long bytes) {
            return true;
        }

        @Override
        public void reading(long bytes) {}

        @Override
        public void takeParsed(long bytes) {
            parsed += bytes;
        }

        @Override
        public void giveBack() {}

        @Override
        public void sending(long bytes) {}

        @Override
        public void sent(long bytes) {}

        @Override
        public void writable() {}

        @Override
        public void ended() {}

        @Override
        public void close() {}
    }

    @Test
    void manyObjectsWeighMoreThanTheirBytes() {
        long one = weight(ChatRequest.newBuilder()
                .addMessages(Message.getDefaultInstance())
                .build());
        ChatRequest many = ChatRequest.newBuilder()
                .addAllMessages(Collections.nCopies(10_000, Message.getDefaultInstance()))
                .build();
        assertThat(many.getSerializedSize()).isEqualTo(20_000);
        assertThat(weight(many)).isGreaterThan(one + 9_999L * 400);
    }

    @Test
    void listsWithinMessagesWeigh() {
        long none = weight(GenerateRequest.newBuilder()
                .setSampling(Sampling.getDefaultInstance())
                .build());
        long stops = weight(GenerateRequest.newBuilder()
                .setSampling(Sampling.newBuilder().addAllStop(Collections.nCopies(1000, "")))
                .build());
        assertThat(stops - none).isGreaterThan(100_000);
        long biases = weight(GenerateRequest.newBuilder()
                .setSampling(Sampling.newBuilder()
                        .putAllLogitBias(IntStream.range(0, 1000).boxed().collect(Collectors.toMap(i -> i, i -> 1f))))
                .build());
        assertThat(biases - none).isGreaterThan(300_000);
        long ids = weight(GenerateRequest.newBuilder()
                .setTokenIds(TokenIds.newBuilder().addAllIds(Collections.nCopies(1000, 100_000)))
                .build());
        assertThat(ids).isBetween(48_000L, 60_000L);
    }

    @Test
    void aBrokenOneWeighsWhatCanBeParsed() {
        byte[] whole = ChatRequest.newBuilder()
                .addAllMessages(Collections.nCopies(1000, Message.getDefaultInstance()))
                .build()
                .toByteArray();
        byte[] more = Arrays.copyOf(whole, whole.length + 2);
        more[whole.length] = 0x12;
        more[whole.length + 1] = 0x7f;
        long weight = MessageWeight.of(ChatRequest.getDescriptor(), whole);
        assertThat(MessageWeight.of(ChatRequest.getDescriptor(), more)).isBetween(weight, weight + 1000);
        assertThat(MessageWeight.of(ChatRequest.getDescriptor(), new byte[] {(byte) 0xff}))
                .isPositive();
    }

    @Test
    void depthEnds() {
        Value value = Value.newBuilder().setNumberValue(1).build();
        for (int i = 0; i < 150; i++) {
            // Three messages within one another: a value, a struct, and the entry of its map.
            value = Value.newBuilder()
                    .setStructValue(Struct.newBuilder().putFields("a", value))
                    .build();
        }
        assertThat(weight(value)).isBetween(30_000L, 60_000L);
    }

    @Test
    void whatIsNotKnownIsDroppedAndWeighsNothing() {
        UnknownFieldSet inner = UnknownFieldSet.newBuilder()
                .addField(1, UnknownFieldSet.Field.newBuilder().addVarint(1).build())
                .build();
        for (int i = 0; i < 90; i++) {
            inner = UnknownFieldSet.newBuilder()
                    .addField(
                            100,
                            UnknownFieldSet.Field.newBuilder().addGroup(inner).build())
                    .build();
        }
        ChatRequest bomb = ChatRequest.newBuilder()
                .setModel("m")
                .setUnknownFields(inner)
                .addMessages(Message.newBuilder().setContent("hi").setUnknownFields(inner))
                .build();
        long plain = weight(ChatRequest.newBuilder()
                .setModel("m")
                .addMessages(Message.newBuilder().setContent("hi"))
                .build());
        assertThat(weight(bomb)).isEqualTo(plain);

        Memory memory = new Memory();
        ChatRequest parsed = Codec.parse(
                InferenceGrpc.getChatMethod(), new Deframer.Frame(bomb.toByteArray(), false), 1 << 20, memory);
        assertThat(parsed.getModel()).isEqualTo("m");
        assertThat(parsed.getMessages(0).getContent()).isEqualTo("hi");
        assertThat(parsed.getUnknownFields().asMap()).isEmpty();
        assertThat(parsed.getMessages(0).getUnknownFields().asMap()).isEmpty();
        assertThat(memory.parsed).isEqualTo(plain);
    }
}
