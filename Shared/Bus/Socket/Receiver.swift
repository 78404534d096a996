// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization

/// A subscription or a durable consumer as the connection knows it. `@unchecked`: what is not constant belongs to the event loop, except where
/// it says otherwise.
final class Receiver: @unchecked Sendable {
    enum Kind {
        case subscription(filter: String, queueGroup: String?)
        case consumer(stream: String, ConsumerConfiguration)
    }

    let kind: Kind
    /// The filter's bytes; of subscriptions.
    let filter: [UInt8]
    let queue: FrameQueue
    /// Of consumers, from any thread: the stream as it stood when reading began (again).
    let streamState = Mutex<StreamState?>(nil)
    /// From any thread: what the bus knows it by. A consumer gets a new one each time it begins to read.
    let token = Atomic<UInt32>(0)

    /// Frames of the read that is being handled.
    var staged = ByteBuffer()
    /// Whether `staged` waits to be pushed.
    var isDirty = false
    /// For good: cancelled, refused or closed.
    var isEnded = false
    /// Who waits for the bus to confirm it the first time.
    var confirmation: CheckedContinuation<Result<Void, BusError>, Never>?
    /// Its frames alone, for deliveries that name it.
    private(set) lazy var route = Route([self])

    init(_ kind: Kind, bufferBytes: Int) {
        self.kind = kind
        queue = FrameQueue(limit: bufferBytes)
        if case .subscription(let filter, _) = kind { self.filter = Array(filter.utf8) } else { filter = [] }
    }

    /// Route holds its receivers; the cycle is broken here.
    func end() {
        isEnded = true
        route = Route([])
        staged = ByteBuffer()
    }
}
