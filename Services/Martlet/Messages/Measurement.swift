// SPDX-License-Identifier: Apache-2.0

/// One measurement as it is typed: `name=value[unit]`.
///
/// `temperature=71.5[Cel]` is a number, `open=true` a truth value, `state=idle` a text; quotes make a text of anything: `code="007"`.
struct Measurement: Equatable, Sendable {
    enum Value: Equatable, Sendable {
        /// As it was typed, so that no digit changes on the way.
        case number(String)
        case bool(Bool)
        case text(String)
    }

    var name: String
    var value: Value
    var unit: String?

    /// - Throws: ``CommandFailure`` of usage, saying what is missing.
    init(_ text: String) throws(CommandFailure) {
        guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
            throw .usage(
                "'\(text)' is no measurement",
                advice: "name=value or name=value[unit], for example 'temperature=21.5[Cel]'")
        }
        name = String(text[..<equals])
        guard SenMLName.isValid(name) else {
            throw .usage(
                "'\(name)' cannot be a SenML name",
                advice: "it begins with a letter or digit; then also - : . / and _ (RFC 8428 section 4.5.1)")
        }
        var rest = text[text.index(after: equals)...]
        let isQuoted = rest.count >= 2 && rest.first == "\"" && rest.last == "\""
        if !isQuoted, rest.last == "]", let bracket = rest.lastIndex(of: "[") {
            unit = String(rest[rest.index(after: bracket)...].dropLast())
            rest = rest[..<bracket]
        }
        guard !rest.isEmpty else { throw .usage("'\(text)' has no value") }
        if rest.count >= 2 && rest.first == "\"" && rest.last == "\"" {
            value = .text(String(rest.dropFirst().dropLast()))
        } else if rest == "true" || rest == "false" {
            value = .bool(rest == "true")
        } else if let number = Self.number(rest) {
            value = .number(number)
        } else {
            value = .text(String(rest))
        }
    }

    init(name: String, value: Value, unit: String? = nil) {
        self.name = name
        self.value = value
        self.unit = unit
    }

    /// As a JSON number; people also write `+5` and `.5`.
    static func number(_ text: some StringProtocol) -> String? {
        var text = text.hasPrefix("+") ? String(text.dropFirst()) : String(text)
        if text.hasPrefix(".") { text = "0" + text }
        if text.hasPrefix("-.") { text = "-0" + text.dropFirst() }
        guard case .number(let number)? = try? JSONParser.parse(text), number == text, Double(number)?.isFinite == true
        else {
            return nil
        }
        return number
    }

    /// A SenML record (RFC 8428 section 4), with base fields in front.
    func record(_ base: [(String, JSONValue?)] = []) -> JSONValue {
        let member: (String, JSONValue?) =
            switch value {
            case .number(let number): ("v", .number(number))
            case .bool(let flag): ("vb", .bool(flag))
            case .text(let text): ("vs", .string(text))
            }
        return .document(base + [("n", .string(name)), ("u", unit.map(JSONValue.string)), member])
    }

    /// A SenML pack. Without a time the server's is taken.
    static func pack(_ measurements: [Measurement], baseName: String?, time: String?) -> JSONValue {
        .array(
            measurements.enumerated().map { index, measurement in
                let base: [(String, JSONValue?)] =
                    index == 0 ? [("bn", baseName.map(JSONValue.string)), ("bt", time.map(JSONValue.number))] : []
                return measurement.record(base)
            })
    }
}
