// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization

/// Reading through a durable consumer over a ``SocketBus``.
final class SocketConsumer: BusConsumer {
    let batches: AsyncThrowingStream<[StreamMessage], any Error>
    private let handle: ReceiverHandle
    private let initialStream: StreamState

    init(_ handle: ReceiverHandle, stream: StreamState) {
        self.handle = handle
        initialStream = stream
        batches = AsyncThrowingStream {
            guard let chunks = try await handle.receiver.queue.next() else { return nil }
            return handle.receiver.queue.withSubjects { FrameDecoding.streamMessages(in: chunks, subjects: &$0) }
        }
    }

    var stream: StreamState { handle.receiver.streamState.withLock { $0 } ?? initialStream }

    func acknowledge(_ sequence: UInt64) {
        handle.session.acknowledge(.one, of: handle.receiver, sequence)
    }

    func acknowledge(through sequence: UInt64) {
        handle.session.acknowledge(.through, of: handle.receiver, sequence)
    }

    func reject(_ sequence: UInt64, redeliverAfter delay: Duration) {
        let delay = max(.zero, min(delay, .seconds(86_400)))
        let milliseconds =
            UInt32(clamping: delay.components.seconds) * 1000
            + UInt32(clamping: delay.components.attoseconds / 1_000_000_000_000_000)
        handle.session.acknowledge(.redeliver, of: handle.receiver, sequence) {
            $0.writeInteger(milliseconds, endianness: .little)
        }
    }

    func giveUp(_ sequence: UInt64, reason: String) {
        handle.session.acknowledge(.giveUp, of: handle.receiver, sequence) { buffer in
            // What the dead letter's header can carry, cut between characters.
            var text = ""
            for character in reason {
                guard text.utf8.count + character.utf8.count <= Int(UInt8.max) else { break }
                text.append(character)
            }
            buffer.writeString(text)
        }
    }

    func cancel() async { await handle.cancel() }
}
