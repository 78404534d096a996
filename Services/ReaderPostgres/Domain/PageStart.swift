// SPDX-License-Identifier: Apache-2.0

/// Where in a list a page begins.
enum PageStart<Position: Sendable & Equatable>: Sendable, Equatable {
    case offset(Int)
    /// Behind the row at this place, wherever it is by now.
    case after(Position)

    /// nil for a page by cursor.
    var offset: Int? {
        switch self {
        case .offset(let offset): offset
        case .after: nil
        }
    }
}
