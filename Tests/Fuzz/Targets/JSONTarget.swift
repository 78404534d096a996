// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging

/// JSON: the validator must agree with a plain recursive reading of RFC 8259's grammar.
struct JSONTarget: FuzzTarget {
    let name = "json"

    let seeds: [[UInt8]] = [
        #"{"a":[1,2.5e-3,{"b":null}],"c":"\u00e9\ud83d\ude00","d":[true,false],"e":{}}"#, "[]", "0", "\"\"", "-1.0E+2",
        #"  [ [ ] , { "x" : "long enough to fill more than one word" } ]  "#, "\"\u{E9}\u{1F600}\u{20AC}\"",
    ].map { [UInt8]($0.utf8) }

    var dictionary: [[UInt8]] {
        SenMLSamples.jsonPieces + [
            [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82], [0x08], [0xEF, 0xBB, 0xBF],
        ]
    }

    func generate(_ random: inout SeededRandom) -> [UInt8] {
        var text = ""
        Self.append(to: &text, depth: 0, &random)
        return [UInt8](text.utf8)
    }

    private static func append(to text: inout String, depth: Int, _ random: inout SeededRandom) {
        switch random.below(depth > 40 ? 5 : 9) {
        case 0: text += random.pick(["null", "true", "false"])
        case 1: text += "\(random.below(1000))"
        case 2: text += "\(Double(random.below(1_000_000)) / 1000)e\(random.below(20) - 10)"
        case 3: text += "\"\(random.pick(["", "abc", "\\n", "\u{E9}", "0123456789abcdef", "\\u12aB"]))\""
        case 4: text += random.pick(["[]", "{}", " 1 "])
        case 5, 6:
            text += "["
            for index in 0...random.below(3) {
                if index > 0 { text += "," }
                append(to: &text, depth: depth + 1, &random)
            }
            text += "]"
        default:
            text += "{"
            for index in 0...random.below(2) {
                if index > 0 { text += " , " }
                text += "\"k\(index)\" : "
                append(to: &text, depth: depth + 1, &random)
            }
            text += "}"
        }
    }

    func check(_ input: [UInt8]) throws(Disagreement) -> Bool {
        let error = input.withUnsafeBytes { bytes -> JSONError? in
            do throws(JSONError) {
                try JSONValidator.validate(bytes)
                return nil
            } catch {
                return error
            }
        }
        var oracle = GrammarOracle(input: input)
        let isJSON = oracle.isDocument()
        guard isJSON == (error == nil) else {
            throw Disagreement("the grammar says \(isJSON), the validator \(error.map(\.message) ?? "accepts")")
        }
        return isJSON
    }
}

/// RFC 8259 read as it is printed, slowly: what the validator is compared with.
private struct GrammarOracle {
    let input: [UInt8]
    private var index = 0

    init(input: [UInt8]) { self.input = input }

    mutating func isDocument() -> Bool {
        guard String(validating: input, as: UTF8.self) != nil else { return false }
        space()
        guard value(Limits.jsonDepth) else { return false }
        space()
        return index == input.count
    }

    private var next: Character? { index < input.count ? Character(Unicode.Scalar(input[index])) : nil }

    private mutating func take(_ characters: String) -> Bool {
        guard let next, characters.contains(next) else { return false }
        index += 1
        return true
    }

    private mutating func word(_ word: String) -> Bool { word.allSatisfy { take(String($0)) } }

    private mutating func space() {
        while index < input.count, [0x20, 0x09, 0x0A, 0x0D].contains(input[index]) { index += 1 }
    }

    private mutating func value(_ depth: Int) -> Bool {
        switch next {
        case "{": return depth > 0 && list("{", "}", depth) { $0.member(depth - 1) }
        case "[": return depth > 0 && list("[", "]", depth) { $0.value(depth - 1) }
        case "\"": return string()
        case "t": return word("true")
        case "f": return word("false")
        case "n": return word("null")
        default: return number()
        }
    }

    private mutating func list(_ open: String, _ close: String, _ depth: Int, _ item: (inout Self) -> Bool) -> Bool {
        guard take(open) else { return false }
        space()
        if take(close) { return true }
        repeat {
            space()
            guard item(&self) else { return false }
            space()
        } while take(",")
        return take(close)
    }

    private mutating func member(_ depth: Int) -> Bool {
        guard string() else { return false }
        space()
        guard take(":") else { return false }
        space()
        return value(depth)
    }

    private mutating func digits() -> Bool {
        let start = index
        while take("0123456789") {}
        return index > start
    }

    private mutating func number() -> Bool {
        _ = take("-")
        if !take("0") {
            guard digits() else { return false }
        }
        if take(".") && !digits() { return false }
        if take("eE") {
            _ = take("+-")
            return digits()
        }
        return true
    }

    private mutating func string() -> Bool {
        guard take("\"") else { return false }
        while index < input.count {
            let byte = input[index]
            if take("\"") { return true }
            if byte < 0x20 { return false }
            guard take("\\") else {
                index += 1
                continue
            }
            if take("\"\\/bfnrt") { continue }
            guard take("u"), let unit = unit() else { return false }
            if 0xDC00...0xDFFF ~= unit { return false }
            if 0xD800...0xDBFF ~= unit {
                guard word("\\u"), let low = self.unit(), 0xDC00...0xDFFF ~= low else { return false }
            }
        }
        return false
    }

    private mutating func unit() -> UInt32? {
        guard input.count - index >= 4 else { return nil }
        let text = String(decoding: input[index..<(index + 4)], as: UTF8.self)
        guard text.allSatisfy(\.isHexDigit) else { return nil }
        index += 4
        return UInt32(text, radix: 16)
    }
}
