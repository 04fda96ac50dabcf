package dev.apus.server.grpc;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.EnumDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.Descriptors.MethodDescriptor;
import com.google.protobuf.Descriptors.ServiceDescriptor;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.protobuf.ProtoFileDescriptorSupplier;
import io.grpc.reflection.v1.ErrorResponse;
import io.grpc.reflection.v1.ExtensionNumberResponse;
import io.grpc.reflection.v1.FileDescriptorResponse;
import io.grpc.reflection.v1.ListServiceResponse;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import io.grpc.reflection.v1.ServerReflectionRequest;
import io.grpc.reflection.v1.ServerReflectionResponse;
import io.grpc.reflection.v1.ServiceResponse;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * {@code grpc.reflection.v1.ServerReflection}, and the same under the name of v1alpha, whose messages are equal on the wire: tells tools
 * such as grpcurl what there is to call. The messages' own service cannot be used, because it asks grpc-java's server. Thread-safe.
 */
final class ReflectionService extends ServerReflectionGrpc.ServerReflectionImplBase {
    private static final String ALPHA = "grpc.reflection.v1alpha.ServerReflection";

    private final Map<String, FileDescriptor> files = new LinkedHashMap<>();
    private final Map<String, FileDescriptor> symbols = new HashMap<>();
    private final TreeSet<String> services = new TreeSet<>();
    /** What is told of a file, by its name. */
    private final Map<String, FileDescriptorResponse> answers = new ConcurrentHashMap<>();

    /** @param served what is told of, besides itself */
    ReflectionService(List<ServerServiceDefinition> served) {
        for (ServerServiceDefinition service : served) {
            services.add(service.getServiceDescriptor().getName());
            if (service.getServiceDescriptor().getSchemaDescriptor() instanceof ProtoFileDescriptorSupplier supplier) {
                addFile(supplier.getFileDescriptor());
            }
        }
        services.add(ServerReflectionGrpc.SERVICE_NAME);
        services.add(ALPHA);
        addFile(io.grpc.reflection.v1.ServerReflectionProto.getDescriptor());
    }

    /** Its definitions under both names. */
    List<ServerServiceDefinition> bindServices() {
        io.grpc.MethodDescriptor<ServerReflectionRequest, ServerReflectionResponse> info =
                ServerReflectionGrpc.getServerReflectionInfoMethod();
        ServerServiceDefinition alpha = ServerServiceDefinition.builder(ALPHA)
                .addMethod(
                        info.toBuilder(info.getRequestMarshaller(), info.getResponseMarshaller())
                                .setFullMethodName(io.grpc.MethodDescriptor.generateFullMethodName(
                                        ALPHA, info.getBareMethodName()))
                                .setSchemaDescriptor(null)
                                .build(),
                        ServerCalls.asyncBidiStreamingCall(this::serverReflectionInfo))
                .build();
        return List.of(bindService(), alpha);
    }

    private void addFile(FileDescriptor file) {
        if (files.putIfAbsent(file.getName(), file) != null) {
            return;
        }
        file.getDependencies().forEach(this::addFile);
        file.getMessageTypes().forEach(this::addMessage);
        file.getEnumTypes().forEach(this::addEnum);
        for (ServiceDescriptor service : file.getServices()) {
            symbols.put(service.getFullName(), file);
            for (MethodDescriptor method : service.getMethods()) {
                symbols.put(method.getFullName(), file);
            }
        }
    }

    private void addMessage(Descriptor message) {
        symbols.put(message.getFullName(), message.getFile());
        for (FieldDescriptor field : message.getFields()) {
            symbols.put(field.getFullName(), message.getFile());
        }
        message.getNestedTypes().forEach(this::addMessage);
        message.getEnumTypes().forEach(this::addEnum);
    }

    private void addEnum(EnumDescriptor type) {
        symbols.put(type.getFullName(), type.getFile());
    }

    @Override
    public StreamObserver<ServerReflectionRequest> serverReflectionInfo(
            StreamObserver<ServerReflectionResponse> answer) {
        ServerCallStreamObserver<ServerReflectionResponse> call =
                (ServerCallStreamObserver<ServerReflectionResponse>) answer;
        CallAdmission admission = GrpcServices.transport().admission();
        // A request is read when the answers before it have gone: else they would pile up for a client that only asks.
        AtomicBoolean asked = new AtomicBoolean();
        call.disableAutoRequest();
        call.setOnCancelHandler(() -> {});
        call.setOnReadyHandler(() -> ask(call, asked));
        return new StreamObserver<>() {
            @Override
            public void onNext(ServerReflectionRequest request) {
                answer.onNext(respond(request));
                admission.giveBack();
                asked.set(false);
                ask(call, asked);
            }

            @Override
            public void onError(Throwable cause) {
                // The client has gone.
            }

            @Override
            public void onCompleted() {
                answer.onCompleted();
            }
        };
    }

    private static void ask(ServerCallStreamObserver<?> call, AtomicBoolean asked) {
        if (call.isReady() && asked.compareAndSet(false, true)) {
            call.request(1);
        }
    }

    private ServerReflectionResponse respond(ServerReflectionRequest request) {
        ServerReflectionResponse.Builder response = ServerReflectionResponse.newBuilder()
                .setValidHost(request.getHost())
                .setOriginalRequest(request);
        switch (request.getMessageRequestCase()) {
            case LIST_SERVICES -> {
                ListServiceResponse.Builder list = ListServiceResponse.newBuilder();
                services.forEach(
                        name -> list.addService(ServiceResponse.newBuilder().setName(name)));
                response.setListServicesResponse(list);
            }
            case FILE_BY_FILENAME ->
                file(response, files.get(request.getFileByFilename()), "file " + request.getFileByFilename());
            case FILE_CONTAINING_SYMBOL ->
                file(
                        response,
                        symbols.get(request.getFileContainingSymbol()),
                        "symbol " + request.getFileContainingSymbol());
            case FILE_CONTAINING_EXTENSION -> file(response, null, "extension");
            case ALL_EXTENSION_NUMBERS_OF_TYPE -> extensions(response, request.getAllExtensionNumbersOfType());
            case MESSAGEREQUEST_NOT_SET ->
                response.setErrorResponse(error(Status.Code.INVALID_ARGUMENT, "the request asks for nothing"));
        }
        return response.build();
    }

    /** Proto3 has no extensions. */
    private void extensions(ServerReflectionResponse.Builder response, String type) {
        if (symbols.containsKey(type)) {
            response.setAllExtensionNumbersResponse(
                    ExtensionNumberResponse.newBuilder().setBaseTypeName(type));
        } else {
            response.setErrorResponse(error(Status.Code.NOT_FOUND, "there is no type " + type));
        }
    }

    private void file(ServerReflectionResponse.Builder response, @Nullable FileDescriptor file, String what) {
        if (file == null) {
            response.setErrorResponse(error(Status.Code.NOT_FOUND, "there is no " + what));
        } else {
            response.setFileDescriptorResponse(answers.computeIfAbsent(file.getName(), name -> withImports(file)));
        }
    }

    /** A file and all that it imports. */
    private static FileDescriptorResponse withImports(FileDescriptor file) {
        Map<String, FileDescriptor> all = new LinkedHashMap<>();
        List<FileDescriptor> open = new ArrayList<>(List.of(file));
        while (!open.isEmpty()) {
            FileDescriptor next = open.removeLast();
            if (all.putIfAbsent(next.getName(), next) == null) {
                open.addAll(next.getDependencies());
            }
        }
        FileDescriptorResponse.Builder found = FileDescriptorResponse.newBuilder();
        all.values().forEach(each -> found.addFileDescriptorProto(each.toProto().toByteString()));
        return found.build();
    }

    private static ErrorResponse error(Status.Code code, String message) {
        return ErrorResponse.newBuilder()
                .setErrorCode(code.value())
                .setErrorMessage(message)
                .build();
    }
}
