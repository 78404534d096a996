// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import Messaging

/// One filter of one session. Equal only to itself: a session has one for each filter, and replaces it ([MQTT-3.8.4-3]).
final class Subscription: Hashable {
    /// The session holds its subscriptions and lets go of them when it ends; what is under way to one that ended finds it ended.
    let session: Session
    let filter: TopicFilter
    let path: SubscriptionPath
    let options: SubscriptionOptions
    /// 0: none.
    let identifier: UInt32
    /// What the filter names, if it names one channel.
    let channel: ChannelID?
    /// As the trie knows it.
    let pattern: String
    /// Messages up to this number were published before the subscription was made.
    var from: UInt64
    /// Its right, watched; nil for a filter over all channels, whose rights the session watches by channel.
    var watch: LiveSession?

    init(
        session: Session, filter: TopicFilter, path: SubscriptionPath, options: SubscriptionOptions,
        identifier: UInt32, found: (channel: ChannelID, domain: DomainID)?, from: UInt64 = 0
    ) {
        self.session = session
        self.filter = filter
        self.path = path
        self.options = options
        self.identifier = identifier
        channel = found?.channel
        self.from = from
        pattern = path.pattern(found)
    }

    var isOverAllChannels: Bool { path.reach == .anyChannel }

    static func == (left: Subscription, right: Subscription) -> Bool { left === right }

    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// Where messages of one channel and subtopic go: worked out once, kept until a subscription or a right changes.
final class Route {
    let channel: ChannelID
    let domain: DomainID
    let subtopic: String
    var generation: UInt64 = 0
    /// When it has to be worked out again, whatever has changed: nanoseconds since 1970.
    var validUntil = Int64.max
    /// One for each session and topic under which it gets the message.
    var targets: [Target] = []
    /// Shared subscriptions: one member of each gets the message.
    var groups: [SharedGroup] = []

    init(channel: ChannelID, domain: DomainID, subtopic: String) {
        self.channel = channel
        self.domain = domain
        self.subtopic = subtopic
    }

    var isEmpty: Bool { targets.isEmpty && groups.isEmpty }

    /// A client that is behind and is waited for (``Pressure``). Members of shared subscriptions are passed over instead.
    var pressed: Connection? {
        for target in targets {
            if let connection = target.session.connection, connection.isPressed { return connection }
        }
        return nil
    }

    /// `channels/<channel>/messages[/<subtopic>]`, which filters of that form are matched against.
    var channelsTopic: String { topic("channels/\(channel)/messages") }

    /// `m/<domain>/c/<channel>[/<subtopic>]`, likewise.
    var domainTopic: String { topic("m/\(domain)/c/\(channel)") }

    private func topic(_ head: String) -> String {
        subtopic.isEmpty ? head : head + "/" + SubscriptionPath.slashed(subtopic)
    }
}

/// One session that gets what a route carries, under one topic: by one or several of its subscriptions, whose greatest QoS counts ([MQTT-3.3.5-1]).
final class Target {
    let session: Session
    /// The first of `subscriptions`.
    let subscription: Subscription
    let subscriptions: [Subscription]
    let form: DeliveryForm
    let qos: QualityOfService
    let retainAsPublished: Bool
    let contentType: ContentType?
    /// The least of its subscriptions'.
    let from: UInt64
    /// Whether the publisher's own packet of QoS 0 and version 5 or 3.1.1 may go out as it is, topic and size allowing.
    let isPlain: Bool

    init(_ subscriptions: [Subscription], topic: [UInt8]) {
        let first = subscriptions[0]
        session = first.session
        subscription = first
        self.subscriptions = subscriptions
        qos = subscriptions.reduce(.atMostOnce) { max($0, $1.options.maximumQoS) }
        let identifiers = subscriptions.compactMap { $0.identifier == 0 ? nil : $0.identifier }
        form = DeliveryForm(topic: topic, identifiers: identifiers, filter: first.filter.text)
        retainAsPublished = subscriptions.contains { $0.options.retainAsPublished }
        contentType = first.path.contentType
        from = subscriptions.reduce(first.from) { min($0, $1.from) }
        isPlain = identifiers.isEmpty && contentType == nil && !subscriptions.contains { $0.options.noLocal }
    }

    var topic: [UInt8] { form.topic }
    var identifiers: [UInt32] { form.identifiers }

    /// The same without what asks for no messages of its own session ([MQTT-3.8.3-3]); nil: nothing is left.
    func withoutOwn(_ publisher: UInt64) -> Target? {
        guard publisher != 0, session.number.rawValue == publisher else { return self }
        let rest = subscriptions.filter { !$0.options.noLocal }
        if rest.count == subscriptions.count { return self }
        return rest.isEmpty ? nil : Target(rest, topic: topic)
    }
}

/// How messages of one route go out to one session, the same for each of them.
final class DeliveryForm {
    let topic: [UInt8]
    let identifiers: [UInt32]
    /// The first of the subscriptions that they come by: says in which form the topic is, for the store.
    let filter: String
    /// Whether others get what this session leaves undone.
    let isShared: Bool

    init(topic: [UInt8], identifiers: [UInt32], filter: String) {
        self.topic = topic
        self.identifiers = identifiers
        self.filter = filter
        isShared = filter.hasPrefix("$share/")
    }
}

/// The members of a shared subscription that a route reaches (MQTT 5 section 4.8.2).
final class SharedGroup {
    /// `$share/{name}/{filter}`, as all members wrote it.
    let filter: ExactText
    let targets: [Target]
    private var next = 0

    init(_ filter: ExactText, _ targets: [Target]) {
        self.filter = filter
        self.targets = targets
        next = targets.isEmpty ? 0 : Int.random(in: 0..<targets.count)
    }

    /// One after the other: those who take what they get first, then who is connected, then whose session is kept.
    ///
    /// - Parameter sequence: of a message that those do not get who came after it; 0: anybody may.
    func choose(for sequence: UInt64) -> Target? {
        guard !targets.isEmpty else { return nil }
        var behind: Target?
        var kept: Target?
        for _ in targets.indices {
            let target = targets[next % targets.count]
            next = (next + 1) % targets.count
            guard sequence == 0 || sequence > target.from else { continue }
            if let connection = target.session.connection {
                if connection.keepsUp { return target }
                behind = behind ?? target
            } else if kept == nil, target.session.isPersistent {
                kept = target
            }
        }
        return behind ?? kept
    }
}
