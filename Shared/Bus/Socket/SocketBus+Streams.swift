// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension SocketBus {
    public func subscribe(_ filter: String, queueGroup: String?) async throws(BusError) -> any BusSubscription {
        guard SubjectFilter.isValidFilter(filter) else { throw .invalidSubject(filter) }
        if let queueGroup, !(1...255).contains(queueGroup.utf8.count) {
            throw .invalidConfiguration("a queue group's name has 1 to 255 bytes")
        }
        let receiver = Receiver(
            .subscription(filter: filter, queueGroup: queueGroup),
            bufferBytes: session.configuration.subscriptionBufferBytes)
        return SocketSubscription(try await open(receiver))
    }

    public func consume(
        stream: String, _ configuration: ConsumerConfiguration
    ) async throws(BusError) -> any BusConsumer {
        // The window, once for what is buffered, once for what is redelivered while it is, and what buffers hold beyond their content.
        let window = max(0, min(configuration.maximumUnacknowledgedBytes, 1 << 30))
        let receiver = Receiver(.consumer(stream: stream, configuration), bufferBytes: window * 4 + (8 << 20))
        let handle = try await open(receiver)
        guard let state = receiver.streamState.withLock({ $0 }) else {
            throw .protocolViolation("no state of stream \(stream)")
        }
        return SocketConsumer(handle, stream: state)
    }

    private func open(_ receiver: Receiver) async throws(BusError) -> ReceiverHandle {
        let session = session
        let outcome: Result<Void, BusError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                session.eventLoop.execute { session.add(receiver, confirmation: continuation) }
            }
        } onCancel: {
            session.eventLoop.execute { session.remove(receiver, nil, tellingBus: true) }
        }
        try outcome.get()
        return ReceiverHandle(receiver, session)
    }

    @discardableResult
    public func declareStream(_ configuration: StreamConfiguration) async throws(BusError) -> StreamState {
        try await command(.declareStream, configuration)
    }

    public func streamState(_ name: String) async throws(BusError) -> StreamState {
        try await command(.streamState, Wire.StreamReference(stream: name))
    }

    public func consumerState(stream: String, consumer: String) async throws(BusError) -> ConsumerState {
        try await command(.consumerState, Wire.StreamReference(stream: stream, consumer: consumer))
    }

    public func deleteConsumer(stream: String, consumer: String) async throws(BusError) {
        _ = try await answer(to: .deleteConsumer, Wire.StreamReference(stream: stream, consumer: consumer))
    }

    public func read(
        stream: String, from sequence: UInt64, maximumBytes: Int
    ) async throws(BusError) -> [StreamMessage] {
        try await read(stream: stream, from: sequence, maximumBytes: maximumBytes, waitingUpTo: .zero)
    }

    public func read(
        stream: String, from sequence: UInt64, maximumBytes: Int, waitingUpTo wait: Duration
    ) async throws(BusError) -> [StreamMessage] {
        let frames = try await frames(stream, from: sequence, maximumBytes, wait)
        var subjects = SubjectTable()
        return FrameDecoding.streamMessages(in: [frames], subjects: &subjects)
    }

    public func read(
        stream: String, id: StreamID?, from sequence: UInt64, maximumBytes: Int, waitingUpTo wait: Duration,
        withoutOrigin origin: UInt64?
    ) async throws(BusError) -> StreamRead {
        let frames = try await frames(stream, id, from: sequence, maximumBytes, wait, withoutOrigin: origin)
        var subjects = SubjectTable()
        guard origin != nil else {
            let messages = FrameDecoding.streamMessages(in: [frames], subjects: &subjects)
            return StreamRead(
                messages: messages, through: messages.last?.sequence ?? max(sequence, 1) - 1, passedOver: 0)
        }
        var read = FrameDecoding.streamRead(in: [frames], subjects: &subjects)
        guard read.through >= max(sequence, 1) - 1 else {
            throw .protocolViolation("an answer to read without its end")
        }
        if read.messages.isEmpty, read.passedOver == 0 { read.through = max(sequence, 1) - 1 }
        return read
    }

    private func frames(
        _ stream: String, _ id: StreamID? = nil, from sequence: UInt64, _ maximumBytes: Int, _ wait: Duration,
        withoutOrigin: UInt64? = nil
    ) async throws(BusError) -> ByteBuffer {
        // Half of the largest frame leaves room for the last message, which may pass the wish.
        let bytes = max(1, min(maximumBytes, session.configuration.maximumFrameBytes / 2))
        return try await answer(
            to: .read,
            Wire.StreamReference(
                stream: stream, from: sequence, maximumBytes: bytes,
                waitMilliseconds: Int(Self.clamp(wait) / .milliseconds(1)), withoutOrigin: withoutOrigin, id: id))
    }

    private func command<Output: Decodable>(
        _ command: Wire.Command, _ parameters: some Encodable & Sendable
    ) async throws(BusError) -> Output {
        let body = try await answer(to: command, parameters)
        do {
            return try JSONDecoder().decode(Output.self, from: Data(body.readableBytesView))
        } catch {
            throw .protocolViolation("an answer that cannot be read: \(error)")
        }
    }

    private func answer(
        to command: Wire.Command, _ parameters: some Encodable & Sendable
    ) async throws(BusError) -> ByteBuffer {
        let session = session
        let outcome: Result<ByteBuffer, BusError> = await withCheckedContinuation { continuation in
            session.eventLoop.execute {
                session.send(command, parameters) { continuation.resume(returning: $0) }
            }
        }
        return try outcome.get()
    }
}
