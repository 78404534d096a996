// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging

/// What an event says about rights that were known, by the rules in the table of ``init(event:)``.
struct RightsChange: Sendable, Equatable {
    /// What the change touches; everything when nil.
    enum Scope: Sendable, Equatable {
        case thing(ThingID)
        case channel(ChannelID)
        case connection(ThingID, ChannelID)
        case everything
    }

    var scope: Scope
    /// The right is certainly gone: live sessions end at once instead of being asked about.
    var endsSessions: Bool

    static let everything = RightsChange(scope: .everything, endsSessions: false)

    /// | event                                   | forgets                          | live sessions |
    /// |-----------------------------------------|----------------------------------|---------------|
    /// | `thing.disabled`, `thing.removed`       | the thing's keys and rights      | end           |
    /// | any other `thing.*` (key rotated, …)    | the same                         | asked again   |
    /// | `channel.disabled`, `channel.removed`   | all rights on the channel        | end           |
    /// | any other `channel.*` (route changed, …)| the same                         | asked again   |
    /// | `connection.removed`                    | the thing's rights on the channel| end           |
    /// | any other `connection.*`                | the same                         | asked again   |
    /// | `group.*`, `grant.*`                    | nothing: people's rights         | –             |
    /// | anything else (`domain.*`)              | everything                       | asked again   |
    ///
    /// Refusals that were remembered are forgotten with every one of them: any change may turn one into a right.
    init(event: EntityEvent) {
        endsSessions = event.what == "disabled" || event.what == "removed"
        switch (event.entity, event.thing, event.channel) {
        case ("thing", let thing?, _): scope = .thing(thing)
        case ("channel", _, let channel?): scope = .channel(channel)
        case ("connection", let thing?, let channel?): scope = .connection(thing, channel)
        default:
            scope = .everything
            endsSessions = false
        }
    }

    /// Whether an event is about what people may do, which no adapter remembers.
    static func concernsPeople(_ event: EntityEvent) -> Bool { event.entity == "group" || event.entity == "grant" }

    init(scope: Scope, endsSessions: Bool) {
        self.scope = scope
        self.endsSessions = endsSessions
    }

    /// `channel` nil: whether it touches what is known of the thing itself.
    func touches(thing: ThingID, channel: ChannelID?) -> Bool {
        switch scope {
        case .everything: true
        case .thing(let changed): changed == thing
        case .channel(let changed): changed == channel
        case .connection(let changed, let on): changed == thing && on == channel
        }
    }
}
