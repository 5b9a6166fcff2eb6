using Picograd.Search.CostModels;
using Picograd.Search.Measurement;
using Picograd.Search.Space;

namespace Picograd.Search.Strategies;

/// <summary>A point with its program, or what a recording knows of it.</summary>
/// <param name="Point">The choices.</param>
/// <param name="Hash">Of the program.</param>
/// <param name="Complexity">Steps of its trace.</param>
/// <param name="Features">What the cost model sees of it.</param>
/// <param name="Candidate">The program; null where it is recorded.</param>
internal sealed record Draft(
    ChoicePoint Point,
    ulong Hash,
    int Complexity,
    CostFeatures Features,
    Candidate? Candidate = null
);

/// <summary>What became of a point.</summary>
/// <param name="Point">The choices.</param>
/// <param name="Draft">Its program; null where it was refused.</param>
/// <param name="Outcome">Why it was refused: one of <see cref="OutcomeNames"/> or a back end's reason.</param>
/// <param name="Detail">More on that.</param>
internal sealed record Made(ChoicePoint Point, Draft? Draft, string Outcome = "", string Detail = "");

/// <summary>Where a strategy's candidates come from and run: the library's rules and hardware, or a recording of both.</summary>
internal interface ISearchMachine
{
    CandidateSpace Space { get; }

    /// <summary>Makes the programs of points, in their order.</summary>
    IReadOnlyList<Made> Make(IReadOnlyList<ChoicePoint> points);

    /// <inheritdoc cref="ICandidateRunner.Measure"/>
    IReadOnlyList<Measured> Measure(IReadOnlyList<Draft> drafts, double bestMilliseconds, CancellationToken cancel);

    /// <inheritdoc cref="ICandidateRunner.Limit"/>
    TimeSpan? Limit { get; set; }

    /// <summary>Whether what runs too long can be ended with its process at once: not so on devices with memory of their own.</summary>
    bool IsHostMemory { get; }
}
