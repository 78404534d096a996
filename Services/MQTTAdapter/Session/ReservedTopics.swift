// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core

/// Topics outside of the tree of channels that mean something: `things/<id>/…`, a device's own control plane, and `$SYS/…`, the server's figures.
///
/// The control plane is served by services that do not exist yet (twin, commands). A thing is told so for its own topics, instead of being let
/// wait for what nobody sends; those of other things are not its business.
enum ReservedTopics {
    /// Why a PUBLISH is refused.
    struct Refusal {
        let reason: ReasonCode
        let slug: String
    }

    private static let things = Array("things".utf8)
    private static let separator = UInt8(ascii: "/")

    /// Why a thing may not publish to a topic that is no channel's.
    static func refusal(publishing topic: [UInt8], by thing: ThingID) -> Refusal {
        let levels = topic.split(separator: separator, maxSplits: 2, omittingEmptySubsequences: false)
        guard levels.count >= 2, levels[0].elementsEqual(things) else {
            return Refusal(reason: .topicNameInvalid, slug: "outside-tree")
        }
        return ThingID(utf8: levels[1]) == thing
            ? Refusal(reason: .implementationSpecificError, slug: "no-control-plane")
            : Refusal(reason: .notAuthorized, slug: "control-plane-of-another-thing")
    }

    /// Why a thing may not subscribe; nil: nothing here speaks against it.
    /// - Parameter maySeeSystem: whether the thing is one of those that read `$SYS/…`.
    static func refusal(
        subscribing filter: TopicFilter, by thing: ThingID, maySeeSystem: Bool
    ) -> SubscriptionError? {
        let levels = filter.pattern.utf8.split(
            separator: separator, maxSplits: 2, omittingEmptySubsequences: false)
        if levels[0].elementsEqual(SystemTopics.root.utf8) {
            guard maySeeSystem else { return .systemIsForOthers }
            return filter.shareName == nil ? nil : .systemIsNotShared
        }
        guard levels.count >= 2, levels[0].elementsEqual(things) else { return nil }
        return ThingID(utf8: levels[1]) == thing ? .noControlPlane : .controlPlaneOfAnotherThing
    }
}

extension SubscriptionError {
    fileprivate static let noControlPlane = SubscriptionError(
        reason: .implementationSpecificError,
        text: "There is no service for twins or commands: nothing would come on things/<id>/….")
    fileprivate static let controlPlaneOfAnotherThing = SubscriptionError(
        reason: .notAuthorized, text: "Below things/ a thing may use its own identifier only.")
    fileprivate static let systemIsForOthers = SubscriptionError(
        reason: .notAuthorized, text: "$SYS is for the things that the server's operator names.")
    fileprivate static let systemIsNotShared = SubscriptionError(
        reason: .topicFilterInvalid, text: "$SYS cannot be shared.")
}
