// SPDX-License-Identifier: Apache-2.0
import Core

/// Where a message goes, read from a path or topic of any protocol.
public struct MessagePath: Hashable, Sendable {
    /// Set in the `/m/<domain>/c/<channel>` form; the channel must then belong to it.
    public var domain: DomainReference?
    public var channel: ChannelReference
    /// Dotted form, empty when there is none. In a subscription it may have `*` tokens and a last `>`.
    public var subtopic: String
    /// Set by the suffixes `senml-json` and `octet-stream` of MQTT topics.
    public var contentType: ContentType?
    /// In a subscription that ends in `#`: MQTT's `a/#` matches `a` itself too (MQTT 5 section 4.7.1.2), the bus's `a.>` does not.
    public var matchesParent: Bool

    public init(
        domain: DomainReference? = nil, channel: ChannelReference, subtopic: String = "",
        contentType: ContentType? = nil, matchesParent: Bool = false
    ) {
        self.domain = domain
        self.channel = channel
        self.subtopic = subtopic
        self.contentType = contentType
        self.matchesParent = matchesParent
    }

    /// The filters that a subscription needs on the bus: one, or two where the parent level matches as well.
    public func busFilters(channel: ChannelID) -> [String] {
        let filter = Subjects.messages(channel: channel, subtopic: subtopic)
        guard matchesParent, subtopic.utf8.last == UInt8(ascii: ">") else { return [filter] }
        // `channels.<id>.>` has its parent two bytes before the end, whatever the depth.
        return [String(filter.dropLast(2)), filter]
    }
}

/// A path of a device's own control plane: `things/<id>/<operation>`.
public struct ThingPath: Hashable, Sendable {
    public var thing: ThingID
    /// Dotted form; may be empty.
    public var operation: String
    /// As in ``MessagePath/matchesParent``.
    public var matchesParent: Bool

    public init(thing: ThingID, operation: String = "", matchesParent: Bool = false) {
        self.thing = thing
        self.operation = operation
        self.matchesParent = matchesParent
    }
}

/// What a device may publish on or subscribe to.
public enum DevicePath: Hashable, Sendable {
    case messages(MessagePath)
    case thing(ThingPath)
}

/// The notation in which a path arrives.
public enum PathNotation: Sendable, CaseIterable {
    /// A request target: leading slash, percent-encoded, an optional `/http` before it; a query or fragment is not looked at.
    case http
    /// A topic: every byte stands for itself, no leading slash needed; the first Mainflux's content-type suffixes.
    case mqtt
    /// `coap_get_uri_path` and the like: percent-encoded, the leading slash optional.
    case coap
}
