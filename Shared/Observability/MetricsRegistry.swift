// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// The metrics of one process, written out in the Prometheus text exposition format 0.0.4.
///
/// Asking for a family by a name that exists already gives the same family, so that several parts of a process may share one.
/// Updating a metric takes no lock; resolving a label child does, so resolve once and keep the child:
///
///     let refused = registry.counter("martlet_refused_total", help: "…", labels: ["reason"])
///     let refusedTooLarge = refused.with("too-large")   // at start
///     refusedTooLarge.increment()                       // on the hot path
public final class MetricsRegistry: Sendable {
    private let families = Mutex<[String: any MetricFamily]>([:])

    public init() {}

    /// A counter without labels. By convention the name ends in `_total`.
    public func counter(_ name: String, help: String) -> Counter {
        counter(name, help: help, labels: []).with()
    }

    /// A counter for each combination of label values.
    public func counter(_ name: String, help: String, labels: [String]) -> LabelledMetric<Counter> {
        family(name) { LabelledMetric(name: name, help: help, type: "counter", labels: labels, make: { Counter() }) }
    }

    /// A gauge without labels.
    public func gauge(_ name: String, help: String) -> Gauge {
        gauge(name, help: help, labels: []).with()
    }

    /// A gauge for each combination of label values.
    public func gauge(_ name: String, help: String, labels: [String]) -> LabelledMetric<Gauge> {
        family(name) { LabelledMetric(name: name, help: help, type: "gauge", labels: labels, make: { Gauge() }) }
    }

    /// A histogram without labels.
    /// - Parameter buckets: upper bounds, ascending; `+Inf` is added.
    public func histogram(_ name: String, help: String, buckets: [Double] = Histogram.latencySeconds) -> Histogram {
        histogram(name, help: help, labels: [], buckets: buckets).with()
    }

    /// A histogram for each combination of label values.
    /// - Parameter buckets: upper bounds, ascending; `+Inf` is added.
    public func histogram(
        _ name: String, help: String, labels: [String], buckets: [Double] = Histogram.latencySeconds
    ) -> LabelledMetric<Histogram> {
        family(name) {
            LabelledMetric(
                name: name, help: help, type: "histogram", labels: labels, make: { Histogram(buckets: buckets) })
        }
    }

    /// Values that are read only when somebody asks for the exposition: queue lengths, cache sizes.
    /// - Parameter read: called on the scraping thread; each sample's label values are in the order of `labels`.
    public func observe(
        _ name: String, help: String, type: ObservedMetric.Kind = .gauge, labels: [String] = [],
        read: @escaping @Sendable () -> [ObservedMetric.Sample]
    ) {
        families.withLock {
            $0[name] = ObservedMetric(name: name, help: help, kind: type, labels: labels, read: read)
        }
    }

    /// One value that is read only when somebody asks for the exposition.
    public func observe(
        _ name: String, help: String, type: ObservedMetric.Kind = .gauge, read: @escaping @Sendable () -> Double
    ) {
        observe(name, help: help, type: type, labels: []) { [ObservedMetric.Sample(labels: [], value: read())] }
    }

    /// All families in the text exposition format, sorted by name.
    public func exposition() -> String {
        let snapshot = families.withLock { $0 }
        var text = ""
        for (_, family) in snapshot.sorted(by: { $0.key < $1.key }) {
            family.write(to: &text)
        }
        return text
    }

    /// `Content-Type` of ``exposition()``.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private func family<Family: MetricFamily>(_ name: String, make: () -> Family) -> Family {
        families.withLock { families in
            if let existing = families[name] {
                guard let family = existing as? Family else {
                    preconditionFailure("metric \(name) is registered twice with different types")
                }
                return family
            }
            precondition(Self.isValid(name), "\(name) is not a metric name")
            let family = make()
            families[name] = family
            return family
        }
    }

    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`
    static func isValid(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return name.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: ":"):
                true
            default: false
            }
        }
    }
}

/// What the registry keeps: something that writes itself out.
protocol MetricFamily: Sendable {
    func write(to text: inout String)
}
