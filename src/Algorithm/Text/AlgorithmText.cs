using System.Security.Cryptography;
using System.Text;
using Picograd.Algorithms.Functions;

namespace Picograd.Algorithms.Text;

/// <summary>
/// The text of an algorithm, which reads back as the same algorithm (<c>docs/algorithms.md</c> has the grammar):
/// <code>
/// algorithm softmax
///   input X: f32[4, 9]
///   M[r] = reduce.max(X[r, c]) over r&lt;4, c&lt;9 reduce
///   E[r, c] = exp(X[r, c] - M[r]) over r&lt;4, c&lt;9
///   S[r] = reduce.sum(E[r, c]) over r&lt;4, c&lt;9 reduce
///   Y[r, c] = E[r, c] / S[r] over r&lt;4, c&lt;9
///   output Y
/// </code>
/// It is canonical: algorithms of the same structure and names have the same text, whichever objects their expressions share.
/// Three things are not kept: constants of float32 are written as the nearest float32, which is what every evaluator and back end
/// makes of them; names that two things share are told apart; and a function that is in no table is what it stands for.
/// </summary>
public static class AlgorithmText
{
    /// <summary>The text; line feeds end its lines.</summary>
    public static string Print(Algorithm algorithm) =>
        new AlgorithmWriter(algorithm, default, byPosition: false).Write();

    /// <summary>Reads <see cref="Print"/>, and what people write in its grammar.</summary>
    /// <exception cref="AlgorithmTextException">The text is no algorithm, or asks for more than a text may.</exception>
    public static Algorithm Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new AlgorithmParser(text).Parse().Algorithm;
    }

    /// <summary>
    /// A function that texts of the algorithm can only name, as it is in no table and has no expansion for the dtype: none but a program
    /// that has added it (<see cref="ScalarFunctions.TryAdd"/>) reads them. Null where there is none.
    /// </summary>
    public static ScalarFunction? Unreadable(Algorithm algorithm)
    {
        ArgumentNullException.ThrowIfNull(algorithm);
        return OwnFunctions.Unwritten(algorithm);
    }

    /// <summary>The text with names by position: equal for algorithms that differ in names only.</summary>
    internal static string PrintNameless(Algorithm algorithm) =>
        new AlgorithmWriter(algorithm, default, byPosition: true).Write();

    /// <summary>The first 32 hex digits of the SHA-256 of a text: the same in every process and on every machine.</summary>
    internal static string Digest(string text) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..32];
}
