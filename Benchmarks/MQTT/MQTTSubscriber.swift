// SPDX-License-Identifier: Apache-2.0

/// Counts what it gets, and acknowledges what is to be acknowledged: one write for all messages of a read.
final class MQTTSubscriber {
    let connection: MQTTConnection
    private(set) var delivered = 0
    private var acknowledgements: [UInt8] = []

    init(_ connection: MQTTConnection) { self.connection = connection }

    /// Whether acknowledgements wait for the socket.
    var wantsWrite: Bool { !acknowledgements.isEmpty }

    /// - Parameter message: is given the content of each delivered PUBLISH.
    @inline(__always)
    func receive(_ input: MQTTConnection.Input, _ message: (UnsafeRawBufferPointer) -> Void = { _ in }) {
        connection.receive(input) { head, content in
            guard head & 0xF0 == MQTTPacket.publish else { return }
            delivered += 1
            message(content)
            guard head & 0x06 == 0x02, content.count >= 2 else { return }
            let identifier = 2 + (Int(content[0]) << 8 | Int(content[1]))
            guard identifier + 2 <= content.count else { return }
            acknowledgements.append(MQTTPacket.publishAcknowledgement)
            acknowledgements.append(2)
            acknowledgements.append(content[identifier])
            acknowledgements.append(content[identifier + 1])
        }
        if wantsWrite { flush() }
    }

    func flush() {
        let sent = acknowledgements.withUnsafeBytes { connection.send($0) }
        if sent == acknowledgements.count {
            acknowledgements.removeAll(keepingCapacity: true)
        } else {
            acknowledgements.removeFirst(sent)
        }
    }
}
