// SPDX-License-Identifier: Apache-2.0

/// Aliases that the other side sets (section 3.3.2.3.4). They live as long as the connection ([MQTT-3.3.2-7]).
package struct InboundTopicAliases: Sendable {
    /// What this side said that it takes; 0: none.
    package let maximum: UInt16
    /// By alias less one; grows as they are set. At most `maximum` topics of 65,535 bytes.
    private var topics: [[UInt8]] = []

    package init(maximum: UInt16) { self.maximum = maximum }

    /// The topic of a PUBLISH with an alias, which is remembered if it brings one.
    ///
    /// - Throws: `Violation.zeroAlias`, `.aliasBeyondMaximum`, `.unknownAlias`.
    package mutating func resolve(_ alias: UInt16, topic: UnsafeRawBufferPointer) throws(Violation) -> [UInt8] {
        guard alias != 0 else { throw .zeroAlias }
        guard alias <= maximum else { throw .aliasBeyondMaximum }
        let index = Int(alias) - 1
        if topic.isEmpty {
            guard index < topics.count, !topics[index].isEmpty else { throw .unknownAlias }
            return topics[index]
        }
        while topics.count <= index { topics.append([]) }
        if !TopicBytes.areEqual(topics[index], topic) { topics[index] = Array(topic) }
        return topics[index]
    }
}

/// Aliases that this side sets. The first topics get one each and keep it: a subscriber of few topics saves all of their bytes, and one of many causes no
/// churn.
package struct OutboundTopicAliases: Sendable {
    package enum Use: Equatable, Sendable {
        /// Send alias and topic.
        case set(UInt16)
        /// Send the alias alone.
        case known(UInt16)
        /// Send the topic alone.
        case none
    }

    /// What the receiver takes, or less ([MQTT-3.3.2-11]); 0: none ([MQTT-3.1.2-27]).
    package let maximum: UInt16
    private var topics: [[UInt8]] = []
    private var aliases: [UInt64: UInt16] = [:]

    package init(maximum: UInt16) { self.maximum = maximum }

    /// How a PUBLISH on `topic` is sent. Allocates only when it sets one.
    package mutating func use(_ topic: UnsafeRawBufferPointer) -> Use {
        guard maximum > 0 else { return .none }
        let hash = TopicBytes.hash(topic, seed: 0)
        if let alias = aliases[hash] {
            // Another topic of the same hash goes without.
            return TopicBytes.areEqual(topics[Int(alias) - 1], topic) ? .known(alias) : .none
        }
        guard topics.count < Int(maximum) else { return .none }
        topics.append(Array(topic))
        let alias = UInt16(topics.count)
        aliases[hash] = alias
        return .set(alias)
    }
}
