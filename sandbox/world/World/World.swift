internal import ArgumentParser
internal import Foundation
internal import Hummingbird
internal import Logging
internal import SwiftCSV
