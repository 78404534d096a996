// SPDX-License-Identifier: Apache-2.0
import Bus
import Messaging
import NIOCore

/// A message goes to the bus under its channel's and subtopic's subject, in its envelope: written straight into the outgoing buffer.
extension Bus {
    /// As ``Bus/publishDurably(headers:writeSubject:writePayload:completion:)``.
    public func publishDurably(
        _ message: RawMessage, headers: BusHeaders = BusHeaders(),
        completion: @escaping @Sendable (Result<PublishReceipt, BusError>) -> Void
    ) {
        publishDurably(
            headers: headers, writeSubject: { message.writeSubject(into: &$0) },
            writePayload: { message.encode(into: &$0) }, completion: completion)
    }

    /// As ``Bus/publishNow(headers:writeSubject:writePayload:)``: nobody is told whether it was stored.
    public func publishNow(_ message: RawMessage, headers: BusHeaders = BusHeaders()) throws(BusError) {
        try publishNow(
            headers: headers, writeSubject: { message.writeSubject(into: &$0) },
            writePayload: { message.encode(into: &$0) })
    }
}

extension RawMessage {
    fileprivate func writeSubject(into buffer: inout ByteBuffer) {
        Subjects.writeMessages(channel: channel, subtopic: subtopic, into: &buffer)
    }
}
