// Writes Shakespeare with a character LSTM that others trained (ml5js), two layers of 128.
using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Picograd;
using Picograd.Examples;

var prompt = Example.Option("--prompt", "ROMEO:\n", "What the text begins with");
var length = Example.Option("--length", 200, "Characters to write");
var showLogits = Example.Option("--logits", 0, "Print the first N logits after the prompt");
var command = new RootCommand("Writes Shakespeare with a character LSTM (charrnn-lstm-shakespeare.safetensors).")
{
    Example.Data,
    prompt,
    length,
    Example.Seed,
    showLogits,
    Sampling.TemperatureOption,
    Sampling.TopKOption,
    Sampling.TopPOption,
};
return Example.Run(
    command,
    args,
    parsed =>
    {
        var model = CharRnn.Load(Example.File(parsed, "charrnn-lstm-shakespeare.safetensors"));
        int count = parsed.Within(length, 0, int.MaxValue);
        var sampling = Sampling.Of(parsed);
        using var off = Tensor.NoGrad();
        var ids = model.Encode(parsed.GetValue(prompt)!);
        Console.Write(parsed.GetValue(prompt));

        // The state after the prompt, and what may follow it.
        var (logits, state) = model.Forward(Tensor.From(ids), null);
        if (parsed.GetValue(showLogits) is > 0 and var some)
            Console.WriteLine(string.Join(' ', logits[-1][..some].ToArray<float>()));
        var clock = Stopwatch.StartNew();
        for (int i = 0; i < count; i++)
        {
            long next = sampling.Next(logits[-1]);
            Console.Write(model.Alphabet[(int)next]);
            (logits, state) = model.Forward(Tensor.From([next]), state);
        }
        Console.WriteLine();
        Console.Error.WriteLine($"{count / clock.Elapsed.TotalSeconds:F0} characters/s");
    }
);

/// <summary>Characters → embedding → LSTM → logits of the next character.</summary>
public sealed class CharRnn : Module
{
    private readonly Embedding _embedding;
    private readonly LSTM _lstm;
    private readonly Linear _head;

    public CharRnn(string[] alphabet, long width)
    {
        Alphabet = alphabet;
        _embedding = new Embedding(alphabet.Length, width);
        _lstm = new LSTM(width, width, numLayers: 2);
        _head = new Linear(width, alphabet.Length);
    }

    /// <summary>The characters in the order of their numbers.</summary>
    public string[] Alphabet { get; }

    /// <summary>Numbers of the characters of a text.</summary>
    public long[] Encode(string text) =>
        text.Length == 0
            ? throw new UsageException("--prompt is empty; the model needs a character to begin with.")
            :
            [
                .. text.Select(c =>
                    Array.IndexOf(Alphabet, c.ToString()) is >= 0 and var id
                        ? (long)id
                        : throw new UsageException($"--prompt has '{c}', which the model does not know.")
                ),
            ];

    /// <summary>Logits [t, alphabet] after each of the ids [t], and the state after the last one.</summary>
    public (Tensor Logits, (Tensor H, Tensor C) State) Forward(Tensor ids, (Tensor H, Tensor C)? state)
    {
        var (hidden, after) = _lstm.Forward(_embedding.Forward(ids), state);
        return (_head.Forward(hidden), after);
    }

    /// <summary>
    /// Reads the file. TensorFlow's cell has one product of [x, h] with gates in the order i, j, f, o and adds 1 to f;
    /// PyTorch's has two products, of x and of h, with gates in the order i, f, j, o.
    /// </summary>
    public static CharRnn Load(string path)
    {
        var file = Safetensors.Load(path, out var metadata);
        var vocabulary = JsonSerializer.Deserialize<Dictionary<string, int>>(metadata["vocab"])!;
        var model = new CharRnn([.. vocabulary.OrderBy(v => v.Value).Select(v => v.Key)], file["embedding"].Size(1));
        var state = new OrderedDictionary<string, Tensor>
        {
            ["embedding.weight"] = file["embedding"],
            ["head.weight"] = file["rnnlm/softmax_w"].T,
            ["head.bias"] = file["rnnlm/softmax_b"],
        };
        for (int layer = 0; layer < 2; layer++)
        {
            string cell = $"rnnlm/multi_rnn_cell/cell_{layer}/basic_lstm_cell/";
            var (i, j, f, o) = Gates(file[cell + "weights"].T);
            var both = Tensor.Cat([i, f, j, o]); // [4 · width, x and h]
            var (bi, bj, bf, bo) = Gates(file[cell + "biases"]);
            long width = both.Size(1) / 2;
            state[$"lstm.weight_ih_l{layer}"] = both.Narrow(1, 0, width);
            state[$"lstm.weight_hh_l{layer}"] = both.Narrow(1, width, width);
            state[$"lstm.bias_ih_l{layer}"] = Tensor.Cat([bi, bf + 1, bj, bo]);
            state[$"lstm.bias_hh_l{layer}"] = Tensor.Zeros(4 * width);
        }
        model.LoadStateDict(state);
        return model;
    }

    private static (Tensor I, Tensor J, Tensor F, Tensor O) Gates(Tensor rows)
    {
        var parts = rows.Chunk(4);
        return (parts[0], parts[1], parts[2], parts[3]);
    }
}
