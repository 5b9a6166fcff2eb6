using Picograd.Search.Measurement;

namespace Picograd.Search;

/// <summary>Why a search ended.</summary>
public enum StopReason
{
    /// <summary>The budget is spent.</summary>
    Budget,

    /// <summary>Several rounds brought nothing better.</summary>
    Plateau,

    /// <summary>The best is within the stated distance of the measured ceiling.</summary>
    Roofline,

    /// <summary>Every schedule that the rules offer was tried.</summary>
    Exhausted,

    /// <summary>Interrupted; what was found until then counts.</summary>
    Cancelled,
}

/// <summary>A candidate with what was predicted and what was found.</summary>
/// <param name="Candidate">The schedule.</param>
/// <param name="PredictedMilliseconds">By the cost model, before it was measured.</param>
/// <param name="Measured">What became of it.</param>
public sealed record Trial(Candidate Candidate, double PredictedMilliseconds, Measured Measured)
{
    public double Milliseconds => Measured.Milliseconds;
}

/// <summary>For the log: a choice that never reached the hardware, or a trial.</summary>
/// <param name="Outcome">One of <see cref="OutcomeNames"/> or a back end's reason.</param>
/// <param name="Description">Rule and choices.</param>
/// <param name="Trial">Null when it never reached the hardware.</param>
/// <param name="Detail">More on the outcome; may be empty.</param>
public sealed record LoggedCandidate(string Outcome, string Description, Trial? Trial, string Detail);

/// <summary>What a search goes without, so that what it is worth is seen.</summary>
internal enum Ablation
{
    None,

    /// <summary>Programs are measured in random order.</summary>
    Model,

    /// <summary>The model keeps what it knew before the search.</summary>
    Learning,

    /// <summary>All knobs are decided at once instead of coarse to fine.</summary>
    Levels,

    /// <summary>What is far slower than the best is timed to the end.</summary>
    GivingUp,
}

/// <summary>How a search is done; the defaults suit single operators.</summary>
public sealed record SearchSettings
{
    /// <summary>Decides every random choice.</summary>
    public int Seed { get; init; }

    /// <summary>Programs kept from level to level.</summary>
    public int BeamWidth { get; init; } = 8;

    /// <summary>Programs measured between two looks at the models, on devices; on processors half as many.</summary>
    public int BatchSize { get; init; } = 8;

    /// <summary>Share of a batch taken at random instead of by prediction.</summary>
    public double Exploration { get; init; } = 0.125;

    /// <summary>Partial schedules that are looked at in one round of a level, about.</summary>
    public int MostExpansions { get; init; } = 256;

    /// <summary>Programs made for each that is measured.</summary>
    public double LookAhead { get; init; } = 2;

    /// <summary>Programs that were made and not measured of which the best are kept for later rounds.</summary>
    public int Unmeasured { get; init; } = 64;

    /// <summary>Random mutations that are looked at in one round of refining.</summary>
    public int Mutations { get; init; } = 64;

    /// <summary>Standard deviations by which a guess is taken to be too high where little is known.</summary>
    public double Hope { get; init; } = 0.1;

    /// <summary>
    /// How much it takes to believe that a rule's choices count other than the cost model says: a factor of the penalties of the model of choices.
    /// </summary>
    public double Doubt { get; init; } = 12;

    /// <summary>The same of features of programs.</summary>
    public double FeatureDoubt { get; init; } = 1;

    /// <summary>Share of the budget for the levels; the rest is for local refinement.</summary>
    public double LevelShare { get; init; } = 0.6;

    /// <summary>Batches without improvement that end a level.</summary>
    public int LevelPatience { get; init; } = 2;

    /// <summary>Refinement rounds without improvement that end the search.</summary>
    public int Patience { get; init; } = 8;

    /// <summary>A gain below this share counts as none (measurement noise is of this order).</summary>
    public double LeastGain { get; init; } = 0.005;

    /// <summary>Stop when the ceiling is at least this share of the best time.</summary>
    public double RooflineShare { get; init; } = 0.97;

    /// <summary>Programs predicted so many times slower than the best are not run.</summary>
    public double HopelessFactor { get; init; } = 20;

    /// <summary>Of what a rule's programs took beside their predictions, n of them count for n / (n + this).</summary>
    public double RuleDoubt { get; init; } = 1;

    /// <summary>
    /// What a rule's default may take at least, before anything is known of the rule; more where the budget is long. On devices it
    /// is compiled in that time too, which takes two seconds for the largest kernels.
    /// </summary>
    public TimeSpan LeastDefaultTime { get; init; } = TimeSpan.FromSeconds(1.5);

    /// <inheritdoc cref="LeastDefaultTime"/>
    public TimeSpan LeastDeviceDefaultTime { get; init; } = TimeSpan.FromSeconds(8);

    /// <summary>Begin with random choices instead of the rules' defaults, and with a model that knows its analytic terms only.</summary>
    public bool FromScratch { get; init; }

    /// <summary>For ablations: what programs are ranked by, and in which order knobs are decided.</summary>
    internal Ablation Without { get; init; }

    /// <summary>Rounds that make no new program after which the space counts as spent.</summary>
    public int DryRounds { get; init; } = 64;

    /// <summary>Tells the time; tests give one that they move.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
