// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import Messaging
import NIOCore

/// What a topic filter means in the tree of channels.
///
/// Every message has two names: `channels/<channel>/messages[/<subtopic>]` and `m/<domain>/c/<channel>[/<subtopic>]`, identifiers in their canonical form. A
/// filter is matched against one of them: one that begins with a literal `m` against the second, any other against the first, so that `#` brings a message once.
struct SubscriptionPath: Equatable {
    enum Form: UInt8 {
        case channels, domain
        /// `$SYS/…`: no message's name, the server's own figures.
        case system
    }

    /// Whose messages it asks for.
    enum Reach: Equatable {
        /// One channel, to be authorized when the subscription is made.
        case channel(ChannelAddress)
        /// Whatever channel matches; each is asked about when a message comes by it.
        case anyChannel
        /// No channel: `$SYS/…`.
        case system
    }

    let form: Form
    let reach: Reach
    /// Levels of the filter behind what names the channel.
    let tail: [Substring]
    /// The levels that name it, as they were sent.
    let head: [Substring]
    /// Of the first Mainflux's suffixes: only messages of this type, and the suffix stays in their topic.
    let contentType: ContentType?
    /// Whether the filter begins with a slash: then its topics do.
    let hasLeadingSlash: Bool

    /// - Parameters:
    ///   - pattern: a valid filter, without a share.
    ///   - domain: the subscriber's: the only one that a filter over all channels may name.
    /// - Throws: a reason and what is wrong, in words.
    init(_ pattern: String, domain: DomainID) throws(SubscriptionError) {
        // Byte by byte: a slash with an accent behind it is one character to String, and still a separator.
        var levels = pattern.utf8.split(separator: TopicRules.separator, omittingEmptySubsequences: false)
            .map { Substring($0) }
        hasLeadingSlash = levels.count > 1 && levels[0].isEmpty
        if hasLeadingSlash { levels.removeFirst() }
        guard let first = levels.first, !levels.contains(where: \.isEmpty) else { throw .emptyLevel }
        switch first {
        case "#":
            form = .channels
            reach = .anyChannel
            (head, tail, contentType) = (Self.anyChannelHead, ["#"], nil)
        case "m":
            form = .domain
            (head, tail, reach) = try Self.domainForm(levels, domain)
            contentType = nil
        case "channels", "+":
            form = .channels
            (head, tail, reach, contentType) = try Self.channelsForm(levels)
        case Substring(SystemTopics.root) where !hasLeadingSlash:
            form = .system
            (head, tail, reach, contentType) = ([first], Array(levels.dropFirst()), .system, nil)
            // Not a subtopic: other rules of names than a channel's.
            return
        default: throw .outsideTree
        }
        try Self.check(tail)
    }

    private static let anyChannelHead: [Substring] = ["channels", "+", "messages"]

    private static func channelsForm(
        _ levels: [Substring]
    ) throws(SubscriptionError) -> (head: [Substring], tail: [Substring], reach: Reach, contentType: ContentType?) {
        // `channels/#`, `+/#`: all there is.
        if levels.count == 2, levels[1] == "#" { return (anyChannelHead, ["#"], .anyChannel, nil) }
        guard levels.count >= 3 else { throw .outsideTree }
        let channel = levels[1]
        if levels[2] == "#" {
            // `channels/<id>/#`
            return (["channels", channel, "messages"], ["#"], try reach(channel, domain: nil), nil)
        }
        guard levels[2] == "messages" || levels[2] == "+" else { throw .outsideTree }
        var tail = Array(levels[3...])
        var contentType: ContentType?
        if tail == ["senml-json"] { contentType = .senmlJSON }
        if tail == ["octet-stream"] { contentType = .octetStream }
        if contentType != nil { tail = [] }
        return (["channels", channel, "messages"], tail, try reach(channel, domain: nil), contentType)
    }

    private static func domainForm(
        _ levels: [Substring], _ own: DomainID
    ) throws(SubscriptionError) -> (head: [Substring], tail: [Substring], reach: Reach) {
        guard levels.count >= 2 else { throw .outsideTree }
        let domain = levels[1]
        if domain == "#" { return (["m", "+", "c", "+"], ["#"], .anyChannel) }
        guard levels.count >= 3, ["c", "+", "#"].contains(levels[2]) else { throw .outsideTree }
        let channel = levels[2] == "#" ? "+" : levels.count > 3 ? levels[3] : ""
        let isAll = levels[2] == "#" || channel == "#"
        let tail = isAll ? ["#"] : Array(levels.dropFirst(4))
        let head = ["m", domain, "c", isAll ? "+" : channel]
        if domain == "+" || isAll || channel == "+" {
            guard domain == "+" || DomainID(String(domain)) == own else { throw .foreignDomain }
            guard isAll || channel == "+" else { throw .outsideTree }
            return (head, tail, .anyChannel)
        }
        return (head, tail, try reach(channel, domain: domain))
    }

    private static func reach(_ channel: Substring, domain: Substring?) throws(SubscriptionError) -> Reach {
        if channel == "+" { return .anyChannel }
        guard let reference = ChannelReference(String(channel)) else { throw .outsideTree }
        guard let domain else { return .channel(ChannelAddress(reference)) }
        guard let owner = DomainReference(String(domain)) else { throw .outsideTree }
        return .channel(ChannelAddress(reference, domain: owner))
    }

    /// What no message's subtopic can have, no filter may ask for.
    private static func check(_ tail: [Substring]) throws(SubscriptionError) {
        guard tail.count <= Limits.subtopicTokens else { throw .tooLong }
        guard tail.reduce(0, { $0 + $1.utf8.count + 1 }) <= Limits.subtopicBytes + 1 else { throw .tooLong }
        for level in tail {
            for byte in level.utf8 where byte <= 0x20 || byte == 0x7F || byte == UInt8(ascii: ".") {
                throw .character
            }
        }
    }

    /// What names are matched against: `channels/<channel>/messages/…` or `m/<domain>/c/<channel>/…`.
    ///
    /// - Parameter found: what a reference to a channel was found to be.
    func pattern(_ found: (channel: ChannelID, domain: DomainID)?) -> String {
        var head = head.map(String.init)
        if let found {
            switch form {
            case .channels: head[1] = found.channel.description
            case .domain: (head[1], head[3]) = (found.domain.description, found.channel.description)
            case .system: break
            }
        } else if form == .domain, let domain = DomainID(head[1]) {
            head[1] = domain.description
        }
        return (head + tail.map(String.init)).joined(separator: "/")
    }

    /// The levels of a dotted subtopic.
    static func slashed(_ subtopic: String) -> String {
        String(decoding: subtopic.utf8.map { $0 == UInt8(ascii: ".") ? TopicRules.separator : $0 }, as: UTF8.self)
    }

    /// The topic under which a message is sent to the subscriber: names that it chose stay as it chose them.
    func topic(channel: ChannelID, domain: DomainID, subtopic: String) -> [UInt8] {
        var levels: [String]
        switch form {
        case .channels:
            levels = ["channels", head[1] == "+" ? channel.description : String(head[1]), "messages"]
        case .domain:
            levels = [
                "m", head[1] == "+" ? domain.description : String(head[1]), "c",
                head[3] == "+" ? channel.description : String(head[3]),
            ]
        case .system: levels = head.map(String.init)
        }
        switch contentType {
        case .senmlJSON: levels.append("senml-json")
        case .octetStream: levels.append("octet-stream")
        default: break
        }
        if !subtopic.isEmpty { levels.append(Self.slashed(subtopic)) }
        if hasLeadingSlash { levels.insert("", at: 0) }
        return Array(levels.joined(separator: "/").utf8)
    }
}

/// Why a subscription is refused, in MQTT's terms.
struct SubscriptionError: Error, Equatable {
    let reason: ReasonCode
    let text: String

    static let outsideTree = SubscriptionError(
        reason: .topicFilterInvalid,
        text: "The filter is outside of channels/<id>/messages and m/<domain>/c/<channel>.")
    static let emptyLevel = SubscriptionError(
        reason: .topicFilterInvalid, text: "No message has a topic with an empty level that the filter would match.")
    static let foreignDomain = SubscriptionError(
        reason: .notAuthorized, text: "A filter over all channels may name the thing's own domain, by its identifier.")
    static let tooLong = SubscriptionError(
        reason: .topicFilterInvalid, text: "The filter is longer or deeper than a subtopic may be.")
    static let character = SubscriptionError(
        reason: .topicFilterInvalid, text: "A dot, a space or a control character cannot be part of a subtopic.")
}
