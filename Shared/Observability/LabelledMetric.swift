// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// A single time series.
public protocol Metric: AnyObject, Sendable {}

/// A metric with one time series for each combination of label values.
public final class LabelledMetric<Child: Metric>: MetricFamily {
    /// Time series of one family at most; label values come from outside sometimes, and memory is bounded always. What does not fit is
    /// counted together under the label value `other`.
    public static var maximumChildren: Int { 2_000 }

    let name: String
    let help: String
    let type: String
    let labels: [String]
    private let make: @Sendable () -> Child
    private let children = Mutex<[[String]: Child]>([:])

    init(name: String, help: String, type: String, labels: [String], make: @escaping @Sendable () -> Child) {
        self.name = name
        self.help = help
        self.type = type
        self.labels = labels
        self.make = make
    }

    /// The time series with these label values, in the order of the declaration. Takes a lock: keep the result.
    public func with(_ values: String...) -> Child { with(values) }

    /// The time series with these label values, in the order of the declaration. Takes a lock: keep the result.
    public func with(_ values: [String]) -> Child {
        precondition(values.count == labels.count, "metric \(name) has \(labels.count) labels")
        return children.withLock { children in
            if let child = children[values] { return child }
            var key = values
            if children.count >= Self.maximumChildren {
                key = values.map { _ in "other" }
                if let child = children[key] { return child }
            }
            let child = make()
            children[key] = child
            return child
        }
    }

    func write(to text: inout String) {
        let snapshot = children.withLock { $0 }
        writeHeader(name: name, help: help, type: type, to: &text)
        for (values, child) in snapshot.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            let rendered = renderLabels(labels, values)
            switch child {
            case let counter as Counter: counter.write(name: name, labels: rendered, to: &text)
            case let gauge as Gauge: gauge.write(name: name, labels: rendered, to: &text)
            case let histogram as Histogram: histogram.write(name: name, labels: rendered, to: &text)
            default: break
            }
        }
    }
}

/// Values that are read when the exposition is written.
public final class ObservedMetric: MetricFamily {
    public enum Kind: String, Sendable {
        case gauge
        case counter
    }

    public struct Sample: Sendable {
        public var labels: [String]
        public var value: Double

        public init(labels: [String], value: Double) {
            self.labels = labels
            self.value = value
        }
    }

    private let name: String
    private let help: String
    private let kind: Kind
    private let labels: [String]
    private let read: @Sendable () -> [Sample]

    init(name: String, help: String, kind: Kind, labels: [String], read: @escaping @Sendable () -> [Sample]) {
        self.name = name
        self.help = help
        self.kind = kind
        self.labels = labels
        self.read = read
    }

    func write(to text: inout String) {
        writeHeader(name: name, help: help, type: kind.rawValue, to: &text)
        for sample in read() {
            writeSample(
                name: name, labels: renderLabels(labels, sample.labels), value: formatSample(sample.value), to: &text)
        }
    }
}
