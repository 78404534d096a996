// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import Messaging

/// Quality of service by its number in MQTT.
enum QoS: Int, Sendable, CaseIterable {
    case atMostOnce = 0
    case atLeastOnce = 1
    case exactlyOnce = 2
}

/// From a remote broker into a channel.
struct InMapping: Sendable, Equatable {
    /// Its place in the file: `remotes[0].in[1]`.
    var name: String
    /// As it is subscribed, with `$share/<group>/` where there is one.
    var filter: String
    var pattern: TopicPattern
    var qos: QoS
    var channel: ChannelAddress
    /// Levels with slashes; empty for none.
    var subtopic: TopicTemplate
    /// What all its payloads are, whatever they or the publisher say.
    var contentType: ContentType?

    /// Where a message goes in the channel: dotted; nil when the topic does not match.
    func subtopic(of topic: String) throws(PathError) -> String? {
        guard let captures = pattern.match(topic) else { return nil }
        let text = subtopic.fill(captures) { _ in topic }
        guard !text.isEmpty else { return "" }
        // The rules of a subtopic are those of the topics of the mqtt-adapter; the form with the fewest words before it.
        return try MessagePath.publish("m/b/c/b/" + text, notation: .mqtt).subtopic
    }
}

/// From a channel to a remote broker.
struct OutMapping: Sendable, Equatable {
    /// Its place in the file: `remotes[0].out[1]`.
    var name: String
    var channel: ChannelAddress
    /// Of the subtopic with slashes; nil: messages without a subtopic too, whatever the subtopic.
    var subtopic: TopicPattern?
    var topic: TopicTemplate
    var qos: QoS
    var retain: Bool

    static let names = ["subtopic", "channel", "publisher"]

    /// The remote topic; nil when the subtopic does not match.
    ///
    /// - Parameter subtopic: dotted.
    func topic(subtopic: String, channel: ChannelID, publisher: ThingID) -> String? {
        let levels = subtopic.replacing(".", with: "/")
        var captures: [String] = []
        if let pattern = self.subtopic {
            guard let found = pattern.match(levels) else { return nil }
            captures = found
        }
        return topic.fill(captures) { name in
            switch name {
            case "channel": channel.description
            case "publisher": publisher.description
            default: levels
            }
        }
    }
}
