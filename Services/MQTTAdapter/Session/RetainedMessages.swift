// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore

/// The last message with the retain flag of each channel and subtopic (MQTT 5 section 3.3.1.3).
struct RetainedMessages {
    private struct Kept {
        let message: Message
        let expiresAt: Int64?
    }

    private var kept: [ChannelID: [ExactText: Kept]] = [:]
    private(set) var count = 0
    /// Of their envelopes.
    private(set) var bytes = 0

    var channels: [ChannelID] { Array(kept.keys) }

    func contains(_ channel: ChannelID, _ subtopic: String) -> Bool { kept[channel]?[ExactText(subtopic)] != nil }

    /// - Returns: what the store is to keep; nil when a newer one is kept already.
    mutating func keep(_ envelope: ByteBuffer, sequence: UInt64) -> StoredRetained? {
        guard let message = try? Message(envelope: envelope, sequence: sequence) else { return nil }
        if let former = kept[message.channel]?[ExactText(message.subtopic)], sequence != 0,
            former.message.sequence > sequence
        {
            return nil
        }
        let stored = StoredRetained(
            channel: message.channel, subtopic: message.subtopic, sequence: sequence, envelope: envelope,
            expiresAt: Self.expiry(message))
        insert(message, stored.expiresAt)
        return stored
    }

    mutating func restore(_ stored: StoredRetained) {
        guard let message = try? Message(envelope: stored.envelope, sequence: stored.sequence) else { return }
        insert(message, stored.expiresAt)
    }

    private mutating func insert(_ message: Message, _ expiresAt: Int64?) {
        let former = kept[message.channel, default: [:]].updateValue(
            Kept(message: message, expiresAt: expiresAt), forKey: ExactText(message.subtopic))
        bytes += message.envelope.readableBytes - (former?.message.envelope.readableBytes ?? 0)
        if former == nil { count += 1 }
    }

    /// - Returns: whether there was one.
    mutating func remove(_ channel: ChannelID, _ subtopic: String) -> Bool {
        guard let former = kept[channel]?.removeValue(forKey: ExactText(subtopic)) else { return false }
        bytes -= former.message.envelope.readableBytes
        if kept[channel]?.isEmpty == true { kept[channel] = nil }
        count -= 1
        return true
    }

    /// Those of a channel that have not expired, by subtopic.
    func messages(_ channel: ChannelID, at now: Int64) -> [Message] {
        guard let messages = kept[channel] else { return [] }
        return messages.values.filter { $0.expiresAt.map { $0 > now } ?? true }.map(\.message)
            .sorted { $0.subtopic < $1.subtopic }
    }

    /// Forgets what has expired.
    /// - Returns: what the store is to forget.
    mutating func expire(at now: Int64) -> [(ChannelID, String)] {
        var expired: [(ChannelID, String)] = []
        for (channel, messages) in kept {
            for (subtopic, message) in messages {
                if let expiresAt = message.expiresAt, expiresAt <= now { expired.append((channel, subtopic.text)) }
            }
        }
        for (channel, subtopic) in expired { _ = remove(channel, subtopic) }
        return expired
    }

    private static func expiry(_ message: Message) -> Int64? {
        guard let seconds = message.expirySeconds else { return nil }
        let (time, overflows) = message.created.addingReportingOverflow(Int64(seconds) * 1_000_000_000)
        return overflows ? nil : time
    }
}
