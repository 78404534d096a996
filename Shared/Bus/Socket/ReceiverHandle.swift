// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Keeps a receiver subscribed: the public object and its sequence of batches hold it, and with the last of them the subscription ends.
final class ReceiverHandle: Sendable {
    let receiver: Receiver
    let session: SocketSession

    init(_ receiver: Receiver, _ session: SocketSession) {
        self.receiver = receiver
        self.session = session
    }

    func cancel() async {
        await withCheckedContinuation { continuation in
            session.eventLoop.execute { [receiver, session] in
                session.remove(receiver, nil, tellingBus: true)
                continuation.resume()
            }
        }
    }

    deinit {
        session.eventLoop.execute { [receiver, session] in session.remove(receiver, nil, tellingBus: true) }
    }
}
