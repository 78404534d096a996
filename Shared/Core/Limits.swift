// SPDX-License-Identifier: Apache-2.0

/// Limits that more than one service must agree on. A service's own limits stand beside the code they guard.
public enum Limits {
    /// One message's payload. Generous for telemetry, small enough that a thousand in flight stay within 1 GiB of memory.
    public static let payloadBytes = 1 << 20
    /// What MQTT 5 has to say of one message: user properties, a response topic, correlation data. 16 KiB is more than any device has been seen to send.
    public static let mqttPropertiesBytes = 16 << 10
    /// The whole envelope: payload, MQTT's properties, and subject, identifiers, content type, for which 8 KiB is ample.
    public static let messageBytes = payloadBytes + mqttPropertiesBytes + (8 << 10)
    /// A subtopic in its dotted form.
    public static let subtopicBytes = 512
    /// Tokens of a subtopic; a deeper tree is a mistake or an attack on the matcher.
    public static let subtopicTokens = 32
    /// A subject on the bus: `channels.` + 36 + `.` + subtopic, rounded up.
    public static let subjectBytes = 1024
    /// Records of one SenML pack: 1 MiB of payload at the shortest useful record (`{"v":1},`) would be 131,072.
    public static let senmlRecords = 10_000
    /// Names of things, channels, users, domains: Mainflux's limit.
    public static let nameBytes = 1024
    /// Free-form metadata of an entity, as JSON text.
    public static let metadataBytes = 64 << 10
    /// Depth of nested JSON that is accepted anywhere.
    public static let jsonDepth = 32
}
