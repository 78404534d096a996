// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import Testing

/// Each property in each place (table 2-4).
@Suite struct PropertyTests {
    /// Where each may stand: the letters of the places below.
    private static let table: [PropertyIdentifier: String] = [
        .payloadFormat: "PW", .messageExpiryInterval: "PW", .contentType: "PW", .responseTopic: "PW",
        .correlationData: "PW", .subscriptionIdentifier: "PS", .sessionExpiryInterval: "CAD",
        .assignedClientIdentifier: "A", .serverKeepAlive: "A", .authenticationMethod: "CAX",
        .authenticationData: "CAX", .requestProblemInformation: "C", .willDelayInterval: "W",
        .requestResponseInformation: "C", .responseInformation: "A", .serverReference: "AD", .reasonString: "AKsuDX",
        .receiveMaximum: "CA", .topicAliasMaximum: "CA", .topicAlias: "P", .maximumQoS: "A", .retainAvailable: "A",
        .userProperty: "CAPWKSsUuDX", .maximumPacketSize: "CA", .wildcardSubscriptionAvailable: "A",
        .subscriptionIdentifierAvailable: "A", .sharedSubscriptionAvailable: "A",
    ]
    private static let places = "CAPWKSsUuDX".map(String.init)

    /// A packet with these properties.
    private static func packet(_ place: String, _ properties: [UInt8]) -> ([UInt8], Sender) {
        let list = [UInt8(properties.count)] + properties
        let filter: [UInt8] = [0, 1, 0x61]
        let connect: [UInt8] = [0, 4, 0x4D, 0x51, 0x54, 0x54, 5]
        let (first, body, sender): (UInt8, [UInt8], Sender) =
            switch place {
            case "C": (0x10, connect + [2, 0, 0] + list + [0, 0], .client)
            case "W": (0x10, connect + [6, 0, 0, 0, 0, 0] + list + filter + [0, 0], .client)
            case "A": (0x20, [0, 0] + list, .server)
            case "P": (0x30, filter + list, .server)
            case "K": (0x40, [0, 1, 0] + list, .client)
            case "S": (0x82, [0, 1] + list + filter + [0], .client)
            case "s": (0x90, [0, 1] + list + [0], .server)
            case "U": (0xA2, [0, 1] + list + filter, .client)
            case "u": (0xB0, [0, 1] + list + [0], .server)
            case "D": (0xE0, [0x80] + list, .client)
            default: (0xF0, [0x18] + list, .client)
            }
        return ([first, UInt8(body.count)] + body, sender)
    }

    private static func value(_ property: PropertyIdentifier) -> [UInt8] {
        switch property.form {
        case .byte, .variableByteInteger: [1]
        case .twoBytes: [0, 1]
        case .fourBytes: [0, 0, 0, 1]
        case .text, .binary: [0, 1, 0x61]
        case .textPair: [0, 1, 0x61, 0, 0]
        }
    }

    private func refusal(_ place: String, _ properties: [UInt8]) -> Violation? {
        // What AUTH must have, and authentication data.
        let needsMethod = place == "X" || properties.first == PropertyIdentifier.authenticationData.rawValue
        let hasMethod = properties.first == PropertyIdentifier.authenticationMethod.rawValue
        let method: [UInt8] = needsMethod && !hasMethod ? [0x15, 0, 1, 0x78] : []
        let takesMethod = "CAX".contains(place)
        let (bytes, sender) = Self.packet(place, properties + (takesMethod ? method : []))
        return violation(bytes, from: sender)
    }

    @Test("a property stands where table 2-4 has it and nowhere else", arguments: PropertyIdentifier.allCases)
    func tables(property: PropertyIdentifier) {
        for place in Self.places {
            let isAllowed = Self.table[property]?.contains(place) == true
            let expected: Violation? = isAllowed ? nil : .misplacedProperty
            #expect(refusal(place, [property.rawValue] + Self.value(property)) == expected, "in \(place)")
        }
    }

    @Test("a property stands once; user properties, and a server's subscription identifiers, any number of times")
    func repeats() {
        for property in PropertyIdentifier.allCases {
            let one = [property.rawValue] + Self.value(property)
            for place in Self.places where Self.table[property]?.contains(place) == true {
                let mayRepeat = property == .userProperty || (property == .subscriptionIdentifier && place == "P")
                let expected: Violation? = mayRepeat ? nil : .repeatedProperty
                #expect(refusal(place, one + one) == expected, "\(property) in \(place)")
            }
        }
    }

    @Test("unknown identifiers, and values that are cut", arguments: UInt8(0)...255)
    func unknown(identifier: UInt8) {
        guard let property = PropertyIdentifier(rawValue: identifier) else {
            for place in Self.places { #expect(refusal(place, [identifier, 0]) == .unknownProperty) }
            return
        }
        let value = Self.value(property)
        for place in Self.places where Self.table[property]?.contains(place) == true && place != "X" {
            for length in value.indices {
                let (bytes, sender) = Self.packet(place, [identifier] + value[..<length])
                #expect(violation(bytes, from: sender) != nil, "\(length) bytes in \(place)")
            }
        }
    }

    // [MQTT-2.2.2-1]
    @Test("[MQTT-3.3.2-8] [MQTT-3.3.2-14] values out of their range")
    func ranges() {
        for property in PropertyIdentifier.allCases where property.form == .byte {
            for place in Self.places where Self.table[property]?.contains(place) == true {
                #expect(refusal(place, [property.rawValue, 0]) == nil)
                #expect(refusal(place, [property.rawValue, 2]) == .propertyValue)
                #expect(refusal(place, [property.rawValue, 255]) == .propertyValue)
            }
        }
        #expect(refusal("P", [0x23, 0, 0]) == .zeroAlias)
        #expect(refusal("P", [0x0B, 0]) == .propertyValue)
        #expect(refusal("S", [0x0B, 0]) == .propertyValue)
        #expect(refusal("P", [0x0B, 0xFF, 0xFF, 0xFF, 0x7F]) == nil)
        #expect(refusal("P", [0x0B, 0x80, 0x80, 0x80, 0x80]) == .lengthTooLong)
        #expect(refusal("P", [0x0B, 0x81, 0]) == .lengthNotMinimal)
        for place in ["C", "A"] {
            #expect(refusal(place, [0x21, 0, 0]) == .propertyValue)
            #expect(refusal(place, [0x27, 0, 0, 0, 0]) == .propertyValue)
            let (bytes, sender) = Self.packet(place, [0x16, 0, 1, 0x61])
            #expect(violation(bytes, from: sender) == .authenticationData)
        }
        for place in ["P", "W"] {
            for topic in ["", "a/+", "#", "0123456789/#"] {
                let value = [0x08, 0, UInt8(topic.utf8.count)] + topic.utf8
                #expect(refusal(place, value) == .responseTopic)
            }
        }
    }

    @Test("[MQTT-2.2.2-1] no properties are a length of zero, and a length that leaves its packet is refused")
    func lengths() {
        for sample in Sample.all where sample.version == .v5 {
            guard case .subscribe(var packet) = sample.packet else { continue }
            packet.properties = Properties()
            #expect(encode(.subscribe(packet))[4] == 0)
        }
        for place in Self.places where place != "X" {
            let (empty, sender) = Self.packet(place, [])
            #expect(violation(empty, from: sender) == nil)
        }
        #expect(violation([0x20, 3, 0, 0, 1], from: .server) == .truncated)
        #expect(violation([0x30, 5, 0, 1, 0x61, 2, 0x23]) == .truncated)
        #expect(violation([0x30, 6, 0, 1, 0x61, 2, 0x23, 0]) == .truncated)
        #expect(violation([0x30, 5, 0, 1, 0x61, 0x80, 0]) == .lengthNotMinimal)
    }

    @Test("[MQTT-3.14.2-2] [MQTT-3.3.4-6] what only one side may send")
    func sides() {
        let expiry: [UInt8] = [0xE0, 7, 0x80, 5, 0x11, 0, 0, 0, 1]
        #expect(violation(expiry, from: .client) == nil)
        #expect(violation(expiry, from: .server) == .serverSessionExpiry)
        let identifier: [UInt8] = [0x30, 6, 0, 1, 0x61, 2, 0x0B, 1]
        #expect(violation(identifier, from: .client) == .clientSubscriptionIdentifier)
        #expect(violation(identifier, from: .server) == nil)
    }
}
