// SPDX-License-Identifier: Apache-2.0
import Messaging

/// Packs made up field by field: nearly all are well-formed, many are valid.
enum SenMLGenerator {
    static func json(_ random: inout SeededRandom) -> [UInt8] {
        var text = "["
        for index in 0...random.below(4) {
            if index > 0 { text += "," }
            text += "{"
            var isFirst = true
            for label in labels(&random, isFirst: index == 0) {
                if !isFirst { text += random.oneIn(8) ? " ,\n" : "," }
                isFirst = false
                text += "\"\(label.text)\":\(jsonValue(label, &random))"
            }
            if random.oneIn(12) { text += isFirst ? "\"x\":[{}]" : ",\"x\":[{}]" }
            text += "}"
        }
        return [UInt8]((text + "]").utf8)
    }

    static func cbor(_ random: inout SeededRandom) -> [UInt8] {
        let count = 1 + random.below(4)
        let isIndefinite = random.oneIn(8)
        var output: [UInt8] = [isIndefinite ? 0x9F : 0x80 | UInt8(count)]
        for index in 0..<count {
            let labels = labels(&random, isFirst: index == 0)
            output.append(0xA0 | UInt8(labels.count))
            for label in labels {
                output.append(label.number < 0 ? 0x20 | UInt8(-1 - label.number) : UInt8(label.number))
                output += cborValue(label, &random)
            }
        }
        if isIndefinite { output.append(0xFF) }
        return output
    }

    /// The first record usually names things; each has one value mostly.
    private static func labels(_ random: inout SeededRandom, isFirst: Bool) -> [SenMLLabel] {
        var labels: [SenMLLabel] = []
        if isFirst || random.oneIn(5) { labels.append(.baseName) }
        for label in [SenMLLabel.baseTime, .baseUnit, .baseValue, .baseSum] where random.oneIn(5) {
            labels.append(label)
        }
        if random.oneIn(10) { labels.append(.baseVersion) }
        if !random.oneIn(4) { labels.append(.name) }
        for label in [SenMLLabel.unit, .time] where random.oneIn(2) { labels.append(label) }
        for label in [SenMLLabel.sum, .updateTime] where random.oneIn(6) { labels.append(label) }
        if !random.oneIn(10) {
            labels.append(random.pick([.value, .value, .value, .stringValue, .booleanValue, .dataValue]))
        }
        return labels
    }

    private static func jsonValue(_ label: SenMLLabel, _ random: inout SeededRandom) -> String {
        switch label {
        case .baseName, .name: "\"\(name(&random))\""
        case .baseUnit, .unit: random.pick(["\"Cel\"", "\"%RH\"", "\"\"", "\"\\u00b5m\"", "\"m2\""])
        case .stringValue: random.pick(["\"\"", "\"on\"", "\"\\u00e9\\n\"", "\"\u{1F600}\"", "\"\\ud83d\\ude00\""])
        case .dataValue: random.pick(["\"\"", "\"aGkgCg\"", "\"_-8\"", "\"AA\"", "\"AAA\""])
        case .booleanValue: random.pick(["true", "false"])
        case .baseVersion: random.pick(["10", "5", "10.0", "11"])
        case .time, .baseTime, .updateTime: time(&random)
        case .value, .sum, .baseValue, .baseSum: number(&random)
        }
    }

    private static func cborValue(_ label: SenMLLabel, _ random: inout SeededRandom) -> [UInt8] {
        switch label {
        case .baseName, .name: return text(name(&random))
        case .baseUnit, .unit: return text(random.pick(["Cel", "%RH", "", "\u{B5}m"]))
        case .stringValue: return text(random.pick(["", "on", "\u{E9}\n", "\u{1F600}"]))
        case .dataValue: return random.pick([[0x40], [0x42, 0x00, 0xFF], [0xD5, 0x41, 0x01]])
        case .booleanValue: return random.pick([[0xF4], [0xF5]])
        case .baseVersion: return random.pick([[0x0A], [0x05], [0x0B]])
        case .time, .baseTime, .updateTime, .value, .sum, .baseValue, .baseSum:
            switch random.below(6) {
            case 0: return [UInt8(random.below(24))]
            case 1: return [0x20 | UInt8(random.below(24))]
            case 2: return [0x1A] + bigEndian(random.next(), bytes: 4)
            case 3: return [0xF9] + bigEndian(random.next(), bytes: 2)
            case 4: return [0xC4, 0x82, 0x28, 0x1B] + bigEndian(random.next() >> UInt64(random.below(64)), bytes: 8)
            default: return [0xFB] + bigEndian(Double(number(&random)).map(\.bitPattern) ?? 0, bytes: 8)
            }
        }
    }

    private static func text(_ text: String) -> [UInt8] { [0x60 | UInt8(min(text.utf8.count, 23))] + text.utf8 }

    private static func bigEndian(_ value: UInt64, bytes: Int) -> [UInt8] {
        (0..<bytes).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (bytes - 1 - $0))) }
    }

    private static func name(_ random: inout SeededRandom) -> String {
        random.pick(["urn:dev:mac:0024be:", "temp", "a/b_c.d-e", "0", "", ":x", "humidity"])
    }

    private static func number(_ random: inout SeededRandom) -> String {
        switch random.below(6) {
        case 0: "\(random.below(1000))"
        case 1: "-\(random.below(100)).\(random.below(1_000_000))"
        case 2: "\(Double(bitPattern: random.next()))".replacing("nan", with: "0").replacing("inf", with: "1e999")
        case 3: "\(random.next())\(random.next())"
        case 4: "\(random.next()).\(random.next())e\(random.below(80) - 60)"
        default: "\(Double(random.below(100_000)) / 10)"
        }
    }

    private static func time(_ random: inout SeededRandom) -> String {
        switch random.below(5) {
        case 0: "\(random.below(100) - 50)"
        case 1: "1.276020076001e+09"
        case 2: "\(268_435_456 + random.below(9_000_000_000)).\(random.below(1_000_000_000))"
        case 3: number(&random)
        default: "\(1_700_000_000 + random.below(100_000_000))"
        }
    }
}
