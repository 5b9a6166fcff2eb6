// Tells where somebody speaks in a recording, with the weights of Silero VAD (snakers4).
using System.CommandLine;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var sound = new Option<string?>("--sound") { Description = "WAVE file of 16 kHz; by default jfk.wav of the data" };
var threshold = Example.Option("--threshold", 0.5, "Probability above which it is speech");
var command = new RootCommand("Tells where somebody speaks in a recording (silero-vad-16k.safetensors).")
{
    Example.Data,
    sound,
    threshold,
    Example.Plot,
};
return Example.Run(
    command,
    args,
    parsed =>
    {
        var (samples, rate) = Wav.Load(parsed.GetValue(sound) ?? Example.File(parsed, "jfk.wav"));
        if (rate != SileroVad.Rate)
            throw new UsageException($"the recording has {rate} Hz, but the model wants {SileroVad.Rate}.");
        if (samples.Size(1) == 0)
            throw new InvalidDataException("the recording is empty.");
        double limit = parsed.Within(threshold, 0, 1);
        var model = new SileroVad();
        model.LoadStateDict(Safetensors.Load(Example.File(parsed, "silero-vad-16k.safetensors")));
        using var off = Tensor.NoGrad();
        double[] speech = model.Forward(samples.Mean(0)).ToDoubles();

        Console.WriteLine(
            $"{speech.Length} steps, the first {speech[0]:G5}, sum {speech.Sum():F3}, {speech.Count(p => p > limit) / (double)speech.Length:P1} speech"
        );
        double Time(int step) => step * (double)SileroVad.Step / rate;
        for (int i = 0, start; i < speech.Length; i++)
        {
            for (start = i; i < speech.Length && speech[i] > limit; )
                i++;
            if (i > start)
                Console.WriteLine($"speech from {Time(start):F2} s to {Time(i):F2} s");
        }
        if (parsed.GetValue(Example.Plot) is { } plot)
            Plots.Lines(plot, [("speech", speech)], "Voice activity", "step of 32 ms", "probability");
    }
);

/// <summary>Spectrum → four convolutions → LSTM → probability of speech, for each 512 samples.</summary>
public sealed class SileroVad : Module
{
    public const int Rate = 16000;
    public const int Step = 512;
    private const int Context = 64;

    private readonly Conv1d _stftConv = new(1, 258, 256, stride: 128, bias: false);
    private readonly Conv1d _conv1 = new(129, 128, 3, padding: 1);
    private readonly Conv1d _conv2 = new(128, 64, 3, stride: 2, padding: 1);
    private readonly Conv1d _conv3 = new(64, 64, 3, stride: 2, padding: 1);
    private readonly Conv1d _conv4 = new(64, 128, 3, padding: 1);
    private readonly LSTMCell _lstmCell = new(128, 128);
    private readonly Conv1d _finalConv = new(128, 1, 1);

    /// <summary>Probabilities [steps] of samples [n], which are filled up with silence to whole steps.</summary>
    public override Tensor Forward(Tensor samples)
    {
        long steps = (samples.Size(0) + Step - 1) / Step;
        // Each step sees the last 64 samples of the one before, and its own end once more, backwards.
        var padded = F.Pad(samples, [Context, steps * Step - samples.Size(0)]);
        var windows = F.Pad(padded.Unfold(0, Context + Step, Step).Unsqueeze(1), [0, 64], "reflect");

        var spectrum = _stftConv.Forward(windows); // [steps, real and imaginary, 4 frames]
        var (real, imaginary) = (spectrum.Narrow(1, 0, 129), spectrum.Narrow(1, 129, 129));
        var x = (real.Square() + imaginary.Square()).Sqrt();
        foreach (var conv in new[] { _conv1, _conv2, _conv3, _conv4 })
            x = conv.Forward(x).Relu();
        x = x.Squeeze(-1); // [steps, 128]

        var probabilities = new List<Tensor>();
        (Tensor H, Tensor C)? state = null;
        foreach (var step in x.Split(1))
        {
            state = _lstmCell.Forward(step, state);
            probabilities.Add(_finalConv.Forward(state.Value.H.Relu().Unsqueeze(-1)).Sigmoid().Reshape(1));
        }
        return Tensor.Cat([.. probabilities]);
    }
}
