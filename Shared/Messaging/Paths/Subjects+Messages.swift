// SPDX-License-Identifier: Apache-2.0
import Core

extension Subjects {
    /// `channels.<channel>[.<subtopic>]`; with a dotted filter for a subtopic, the filter for it.
    public static func messages(channel: ChannelID, subtopic: String = "") -> String {
        join("channels.", channel, subtopic)
    }

    /// `things.<thing>[.<operation>]`
    public static func thing(_ thing: ThingID, operation: String = "") -> String {
        join("things.", thing, operation)
    }

    /// Takes a message's subject apart.
    /// - Returns: nil unless it is `channels.<canonical UUID>` with or without a subtopic; `subtopic` is the offset of the subtopic's first
    ///   byte, the subject's length when there is none.
    public static func parseMessages(_ subject: UnsafeRawBufferPointer) -> (channel: ChannelID, subtopic: Int)? {
        let prefix: StaticString = "channels."
        let end = prefix.utf8CodeUnitCount + ChannelID.textLength
        guard subject.count >= end else { return nil }
        for offset in 0..<prefix.utf8CodeUnitCount where subject[offset] != prefix.utf8Start[offset] { return nil }
        let text = UnsafeRawBufferPointer(rebasing: subject[prefix.utf8CodeUnitCount..<end])
        guard let channel = ChannelID(utf8: text) else { return nil }
        if subject.count == end { return (channel, end) }
        guard subject.count > end + 1, subject[end] == UInt8(ascii: ".") else { return nil }
        return (channel, end + 1)
    }

    /// The MQTT topic under which a message is delivered: `channels/<channel>/messages[/<subtopic>]`, or the `/m/` form for a subscriber that
    /// subscribed in it.
    public static func topic(channel: ChannelReference, domain: DomainReference? = nil, subtopic: String) -> String {
        var topic = domain.map { "m/\($0.text)/c/\(channel.text)" } ?? "channels/\(channel.text)/messages"
        guard !subtopic.isEmpty else { return topic }
        topic.reserveCapacity(topic.utf8.count + 1 + subtopic.utf8.count)
        topic.append("/")
        for character in subtopic.unicodeScalars { topic.unicodeScalars.append(character == "." ? "/" : character) }
        return topic
    }

    /// One allocation for the whole.
    private static func join<Kind>(_ prefix: StaticString, _ identifier: Identifier<Kind>, _ tail: String) -> String {
        let head = prefix.utf8CodeUnitCount + ChannelID.textLength
        let capacity = head + (tail.isEmpty ? 0 : 1 + tail.utf8.count)
        return String(unsafeUninitializedCapacity: capacity) { buffer in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            bytes.copyMemory(from: UnsafeRawBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount))
            identifier.withText {
                UnsafeMutableRawBufferPointer(rebasing: bytes[prefix.utf8CodeUnitCount...]).copyMemory(from: $0)
            }
            guard !tail.isEmpty else { return head }
            bytes[head] = UInt8(ascii: ".")
            var tail = tail
            return tail.withUTF8 { text in
                let room = UnsafeMutableRawBufferPointer(rebasing: bytes[(head + 1)...])
                let source = UnsafeRawBufferPointer(start: text.baseAddress, count: min(text.count, room.count))
                room.copyMemory(from: source)
                return head + 1 + source.count
            }
        }
    }
}
