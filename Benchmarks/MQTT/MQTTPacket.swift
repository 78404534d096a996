// SPDX-License-Identifier: Apache-2.0

/// The few packets of MQTT 3.1.1 that the load generator sends and looks for, made by hand, so that it shares no code with what it measures.
///
/// Section numbers are those of the OASIS standard of 29 October 2014.
enum MQTTPacket {
    static let connectAcknowledgement: UInt8 = 0x20
    static let publish: UInt8 = 0x30
    static let publishAcknowledgement: UInt8 = 0x40
    static let subscribeAcknowledgement: UInt8 = 0x90

    /// Section 3.1: a session without keep-alive, with user name and password.
    static func connect(
        _ clientIdentifier: String, _ account: MQTTBroker.Account, isClean: Bool = true
    ) -> [UInt8] {
        let head = text("MQTT") + [4, isClean ? 0b1100_0010 : 0b1100_0000, 0, 0]
        return packet(0x10, head + text(clientIdentifier) + text(account.userName) + text(account.password))
    }

    /// Section 3.8.
    static func subscribe(_ filter: String, qualityOfService: UInt8) -> [UInt8] {
        packet(0x82, [0, 1] + text(filter) + [qualityOfService])
    }

    /// Section 3.3. Of QoS 1 when there is an identifier.
    static func publish(_ topic: String, identifier: UInt16?, payload: [UInt8]) -> [UInt8] {
        let number = identifier.map { [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)] }
        return packet(identifier == nil ? 0x30 : 0x32, text(topic) + (number ?? []) + payload)
    }

    private static func text(_ string: String) -> [UInt8] {
        [UInt8(truncatingIfNeeded: string.utf8.count >> 8), UInt8(truncatingIfNeeded: string.utf8.count)]
            + Array(string.utf8)
    }

    private static func packet(_ head: UInt8, _ content: [UInt8]) -> [UInt8] {
        var length: [UInt8] = []
        var rest = content.count
        repeat {
            length.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
            rest >>= 7
        } while rest > 0
        return [head] + length + content
    }

    /// Finds packets by their lengths (section 2.2.3) and looks at nothing else.
    ///
    /// - Parameter body: is given the first byte, and what follows the length, of every packet that is there to its end.
    /// - Returns: the bytes that those take up; nil when a length is none.
    @inline(__always)
    static func scan(
        _ bytes: UnsafeRawBufferPointer, _ body: (_ head: UInt8, _ content: UnsafeRawBufferPointer) -> Void
    ) -> Int? {
        var position = 0
        while bytes.count - position >= 2 {
            var length = Int(bytes[position + 1] & 0x7F)
            var start = position + 2
            if bytes[position + 1] > 0x7F {
                var shift = 7
                var isWhole = false
                while start < bytes.count, !isWhole {
                    guard shift <= 21 else { return nil }
                    length |= Int(bytes[start] & 0x7F) << shift
                    isWhole = bytes[start] <= 0x7F
                    shift += 7
                    start += 1
                }
                guard isWhole else { return position }
            }
            guard bytes.count - start >= length else { return position }
            body(bytes[position], UnsafeRawBufferPointer(rebasing: bytes[start..<start + length]))
            position = start + length
        }
        return position
    }
}
