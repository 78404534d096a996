// SPDX-License-Identifier: Apache-2.0
import Core

/// Why a path or topic names nothing that can be published or subscribed to.
public enum PathError: String, Error, Sendable, Equatable, CaseIterable {
    /// None of the forms that carry messages.
    case unknownPath = "path-unknown"
    /// The channel element is not an identifier or a route.
    case invalidChannel = "path-channel"
    /// The domain element is not an identifier or a route.
    case invalidDomain = "path-domain"
    /// The thing element is not an identifier.
    case invalidThing = "path-thing"
    /// `+`, `#`, `*` or `>` in what is published on.
    case wildcard = "path-wildcard"
    /// A wildcard in a filter that is not an element of its own, is not the last (`#`, `>`), or belongs to the other notation.
    case misplacedWildcard = "path-wildcard-misplaced"
    /// A dot inside an element: it would split the element in two on the bus.
    case dot = "path-dot"
    case space = "path-space"
    case controlCharacter = "path-control-character"
    /// U+0000; apart from other control characters because MQTT closes the connection for it.
    case nul = "path-nul"
    /// A `%` without two hexadecimal digits.
    case invalidPercentEncoding = "path-percent-encoding"
    case invalidUTF8 = "path-utf8"
    /// More than ``Core/Limits/subtopicTokens`` elements.
    case tooDeep = "path-too-deep"
    /// More than ``Core/Limits/subtopicBytes`` bytes.
    case tooLong = "path-too-long"

    /// A stable slug for counters and problem types.
    public var reason: String { rawValue }

    /// One sentence that says what to change.
    public var message: String {
        switch self {
        case .unknownPath:
            "The path is not one of /channels/<channel>/messages[/<subtopic>] and /m/<domain>/c/<channel>[/<subtopic>]."
        case .invalidChannel: "The channel must be its identifier, or its route of letters, digits, '-' and '_'."
        case .invalidDomain: "The domain must be its identifier, or its route of letters, digits, '-' and '_'."
        case .invalidThing: "The thing must be its identifier, a UUID."
        case .wildcard: "A message is published on one subtopic: '+', '#', '*' and '>' may not be in it."
        case .misplacedWildcard:
            "A wildcard must be a whole element ('+' for one level; '#' for all further ones, last only)."
        case .dot: "A dot may not be in a subtopic's element: dots separate the elements on the bus."
        case .space: "A space may not be in a subtopic."
        case .controlCharacter: "Control characters may not be in a subtopic."
        case .nul: "The character U+0000 may not be in a subtopic."
        case .invalidPercentEncoding: "A '%' must be followed by two hexadecimal digits."
        case .invalidUTF8: "The subtopic is not UTF-8."
        case .tooDeep: "A subtopic may have at most \(Limits.subtopicTokens) elements."
        case .tooLong: "A subtopic may have at most \(Limits.subtopicBytes) bytes."
        }
    }
}
