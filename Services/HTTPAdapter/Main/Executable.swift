// SPDX-License-Identifier: Apache-2.0
import HTTPAdapter
import ServiceKit

@main struct Executable { static func main() async { await ServiceRunner.main(HTTPAdapter.description) } }
