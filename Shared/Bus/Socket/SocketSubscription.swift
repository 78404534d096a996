// SPDX-License-Identifier: Apache-2.0

/// A core subscription over a ``SocketBus``.
final class SocketSubscription: BusSubscription {
    let batches: AsyncThrowingStream<[BusMessage], any Error>
    private let handle: ReceiverHandle

    init(_ handle: ReceiverHandle) {
        self.handle = handle
        batches = AsyncThrowingStream {
            guard let chunks = try await handle.receiver.queue.next() else { return nil }
            return handle.receiver.queue.withSubjects { FrameDecoding.messages(in: chunks, subjects: &$0) }
        }
    }

    func cancel() async { await handle.cancel() }
}
