// SPDX-License-Identifier: Apache-2.0

/// What was written of a message for one session serves the next that gets it in the same form.
struct Templates {
    /// There is no next.
    let areUsedOnce: Bool
    private var last: PublishTemplate?
    private var key: (topic: [UInt8], version: ProtocolVersion, qos: QualityOfService, retain: Bool)?

    init(areUsedOnce: Bool = false) { self.areUsedOnce = areUsedOnce }

    /// - Parameter now: nanoseconds since 1970.
    mutating func template(
        _ message: Message, _ target: Target, _ version: ProtocolVersion, _ qos: QualityOfService, _ retain: Bool,
        _ now: @autoclosure () -> Int64
    ) -> PublishTemplate {
        let isShared = target.identifiers.isEmpty
        if isShared, let last, let key, key.version == version, key.qos == qos, key.retain == retain,
            key.topic == target.topic
        {
            return last
        }
        let template = PublishTemplate(
            PublishLayout(
                message, topic: target.topic, version: version, qos: qos, retain: retain,
                subscriptionIdentifiers: target.identifiers, now: now()))
        if isShared {
            last = template
            key = (target.topic, version, qos, retain)
        }
        return template
    }
}
