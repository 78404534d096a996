// SPDX-License-Identifier: Apache-2.0

/// What was written of a message for one session serves the next that gets it in the same form.
struct Templates {
    private var last: PublishTemplate?
    private var key: (topic: [UInt8], version: ProtocolVersion, qos: QualityOfService, retain: Bool)?

    mutating func template(
        _ message: Message, _ target: Target, _ version: ProtocolVersion, _ qos: QualityOfService, _ retain: Bool,
        _ now: Int64
    ) -> PublishTemplate {
        let isShared = target.identifiers.isEmpty
        if isShared, let last, let key, key.version == version, key.qos == qos, key.retain == retain,
            key.topic == target.topic
        {
            return last
        }
        let template = PublishTemplate(
            message, topic: target.topic, version: version, qos: qos, retain: retain,
            subscriptionIdentifiers: target.identifiers, now: now)
        if isShared {
            last = template
            key = (target.topic, version, qos, retain)
        }
        return template
    }
}
