// SPDX-License-Identifier: MIT
//
// The naive peer, in C++ with OpenCV: a thread and a queue per stage, each queue polled every 2 ms; full imdecode; one
// client at a time; the runtime on all cores. Seed frames.
// usage: server --port N --model FILE --kind yolox|yolov8 [--threshold F] [--iou F]
#include <arpa/inet.h>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <queue>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <opencv2/opencv.hpp>

#include <onnxruntime_c_api.h>

struct Options {
    int port = 0;
    std::string model, kind;
    float threshold = 0.25f, iou = 0.45f;
};

struct Box {
    float x1, y1, x2, y2, score;
    int id;
};

struct Frame {
    std::vector<unsigned char> bytes;
    cv::Mat picture;
    int width = 0, height = 0, left = 0, top = 0;
    float ratio = 1;
    std::vector<float> input, output;
    std::vector<int64_t> shape;
    std::string error;
};

// A queue between two threads, polled.
template <typename T> class Polled {
    std::mutex mutex;
    std::queue<T> items;

  public:
    void push(T item)
    {
        std::lock_guard<std::mutex> lock(mutex);
        items.push(std::move(item));
    }
    T pop()
    {
        for (;;) {
            {
                std::lock_guard<std::mutex> lock(mutex);
                if (!items.empty()) {
                    T item = std::move(items.front());
                    items.pop();
                    return item;
                }
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    }
};

class Model {
    const OrtApi *api = OrtGetApiBase()->GetApi(16);
    OrtEnv *env = nullptr;
    OrtSession *session = nullptr;
    OrtMemoryInfo *memory = nullptr;
    std::string input_name, output_name;

    void check(OrtStatus *status) const
    {
        if (status)
            throw std::runtime_error(api->GetErrorMessage(status));
    }

  public:
    explicit Model(const std::string &path)
    {
        OrtSessionOptions *options = nullptr;
        OrtAllocator *allocator = nullptr;
        char *name = nullptr;

        check(api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "naive", &env));
        check(api->DisableTelemetryEvents(env));
        check(api->CreateSessionOptions(&options));
        check(api->CreateSession(env, path.c_str(), options, &session));
        api->ReleaseSessionOptions(options);
        check(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
        check(api->GetAllocatorWithDefaultOptions(&allocator));
        check(api->SessionGetInputName(session, 0, allocator, &name));
        input_name = name;
        check(api->SessionGetOutputName(session, 0, allocator, &name));
        output_name = name;
    }

    void run(Frame &frame, int side) const
    {
        const int64_t dims[] = {1, 3, side, side};
        const char *in = input_name.c_str(), *out = output_name.c_str();
        OrtValue *input = nullptr, *output = nullptr;
        OrtTensorTypeAndShapeInfo *info = nullptr;
        size_t count = 0, rank = 0;
        float *data = nullptr;

        check(api->CreateTensorWithDataAsOrtValue(memory, frame.input.data(), frame.input.size() * sizeof(float), dims,
                                                  4, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &input));
        check(api->Run(session, nullptr, &in, &input, 1, &out, 1, &output));
        check(api->GetTensorTypeAndShape(output, &info));
        check(api->GetTensorShapeElementCount(info, &count));
        check(api->GetDimensionsCount(info, &rank));
        frame.shape.resize(rank);
        check(api->GetDimensions(info, frame.shape.data(), rank));
        check(api->GetTensorMutableData(output, reinterpret_cast<void **>(&data)));
        frame.output.assign(data, data + count);
        api->ReleaseTensorTypeAndShapeInfo(info);
        api->ReleaseValue(input);
        api->ReleaseValue(output);
    }
};

static void preprocess(Frame &frame, bool yolox, int side)
{
    cv::Mat small, padded;
    int w, h;

    frame.width = frame.picture.cols;
    frame.height = frame.picture.rows;
    frame.ratio = std::min(side / (float)frame.width, side / (float)frame.height);
    w = (int)std::lround(frame.width * frame.ratio);
    h = (int)std::lround(frame.height * frame.ratio);
    frame.left = yolox ? 0 : (int)std::lround((side - w) / 2.0 - 0.1);
    frame.top = yolox ? 0 : (int)std::lround((side - h) / 2.0 - 0.1);
    cv::resize(frame.picture, small, cv::Size(w, h));
    cv::copyMakeBorder(small, padded, frame.top, side - h - frame.top, frame.left, side - w - frame.left,
                       cv::BORDER_CONSTANT, cv::Scalar(114, 114, 114));
    if (!yolox)
        cv::cvtColor(padded, padded, cv::COLOR_BGR2RGB);
    frame.input.resize((size_t)3 * side * side);
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++)
                frame.input[((size_t)c * side + y) * side + x] =
                    padded.at<cv::Vec3b>(y, x)[c] * (yolox ? 1.0f : 1.0f / 255.0f);
}

static std::vector<Box> yolox_boxes(const Frame &frame, const Options &options)
{
    std::vector<Box> found;
    const float *row = frame.output.data();

    for (int stride : {8, 16, 32})
        for (int gy = 0; gy < 416 / stride; gy++)
            for (int gx = 0; gx < 416 / stride; gx++, row += 85) {
                int best = (int)(std::max_element(row + 5, row + 85) - row);
                float score = row[4] * row[best];
                float x = (row[0] + gx) * stride, y = (row[1] + gy) * stride;
                float w = std::exp(row[2]) * stride, h = std::exp(row[3]) * stride;

                if (score >= options.threshold)
                    found.push_back({x - w / 2, y - h / 2, x + w / 2, y + h / 2, score, best - 5});
            }
    return found;
}

static std::vector<Box> yolov8_boxes(const Frame &frame, const Options &options)
{
    std::vector<Box> found;
    int64_t count = frame.shape[2];
    const float *data = frame.output.data();

    for (int64_t i = 0; i < count; i++) {
        float x = data[i], y = data[count + i], w = data[2 * count + i], h = data[3 * count + i], score = 0;
        int best = 0;

        for (int k = 0; k < 80; k++)
            if (data[(4 + k) * count + i] > score) {
                score = data[(4 + k) * count + i];
                best = k;
            }
        if (score >= options.threshold)
            found.push_back({x - w / 2, y - h / 2, x + w / 2, y + h / 2, score, best});
    }
    return found;
}

static float overlap(const Box &a, const Box &b)
{
    float w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1), h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);

    if (w <= 0 || h <= 0)
        return 0;
    return w * h / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - w * h);
}

static std::string answer(const Frame &frame, const Options &options)
{
    std::vector<Box> found, kept;
    std::string text;
    char line[256];

    if (!frame.error.empty())
        return "{\"object_list\":{\"object_num\":0},\"error\":{\"code\":\"bad_image\",\"message\":\"" + frame.error +
               "\"}}";
    found = options.kind == "yolox" ? yolox_boxes(frame, options) : yolov8_boxes(frame, options);
    std::sort(found.begin(), found.end(), [](const Box &a, const Box &b) { return a.score > b.score; });
    for (const Box &box : found) {
        bool weaker = false;

        for (const Box &other : kept)
            weaker = weaker || (other.id == box.id && overlap(other, box) > options.iou);
        if (!weaker)
            kept.push_back(box);
    }
    text = "{\"object_list\":{\"object_num\":" + std::to_string(kept.size());
    for (size_t i = 0; i < kept.size(); i++) {
        const Box &b = kept[i];
        float x1 = std::clamp((b.x1 - frame.left) / frame.ratio, 0.0f, (float)frame.width);
        float y1 = std::clamp((b.y1 - frame.top) / frame.ratio, 0.0f, (float)frame.height);
        float x2 = std::clamp((b.x2 - frame.left) / frame.ratio, 0.0f, (float)frame.width);
        float y2 = std::clamp((b.y2 - frame.top) / frame.ratio, 0.0f, (float)frame.height);

        snprintf(line, sizeof(line),
                 ",\"object%zu\":{\"bbox\":{\"x\":%.2f,\"y\":%.2f,\"w\":%.2f,\"h\":%.2f},\"classes\":%d,"
                 "\"objectness\":%.4f}",
                 i, x1, y1, x2 - x1, y2 - y1, b.id, b.score);
        text += line;
    }
    return text + "}}";
}

static bool receive_all(int fd, void *to, size_t size)
{
    return recv(fd, to, size, MSG_WAITALL) == (ssize_t)size;
}

struct Server {
    Options options;
    Polled<Frame> to_decode, to_prepare, to_infer;
    Polled<std::string> to_send;

    void decode()
    {
        for (;;) {
            Frame frame = to_decode.pop();

            try {
                frame.picture = cv::imdecode(frame.bytes, cv::IMREAD_COLOR);
            } catch (const cv::Exception &) {
            }
            if (frame.picture.empty())
                frame.error = "not an image";
            to_prepare.push(std::move(frame));
        }
    }

    void prepare()
    {
        for (;;) {
            Frame frame = to_prepare.pop();

            if (frame.error.empty())
                preprocess(frame, options.kind == "yolox", options.kind == "yolox" ? 416 : 640);
            to_infer.push(std::move(frame));
        }
    }

    void infer()
    {
        Model model(options.model);

        printf("listening\n");
        fflush(stdout);
        for (;;) {
            Frame frame = to_infer.pop();

            if (frame.error.empty())
                model.run(frame, options.kind == "yolox" ? 416 : 640);
            to_send.push(answer(frame, options));
        }
    }

    // Talks to one client until it leaves.
    void client(int fd)
    {
        int32_t length;

        while (receive_all(fd, &length, sizeof(length)) && length > 0) {
            Frame frame;
            std::string text;

            frame.bytes.resize((size_t)length);
            if (!receive_all(fd, frame.bytes.data(), frame.bytes.size()))
                return;
            to_decode.push(std::move(frame));
            text = to_send.pop();
            if (send(fd, text.data(), text.size(), MSG_NOSIGNAL) < 0)
                return;
        }
    }

    int serve()
    {
        sockaddr_in address = {};
        int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons((uint16_t)options.port);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (bind(fd, (sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 128) != 0) {
            perror("naive: bind");
            return 1;
        }
        std::thread(&Server::decode, this).detach();
        std::thread(&Server::prepare, this).detach();
        std::thread(&Server::infer, this).detach();
        for (;;) {
            int peer = accept(fd, nullptr, nullptr);

            if (peer < 0)
                continue;
            client(peer);
            close(peer);
        }
    }
};

int main(int argc, char **argv)
{
    static Server server;

    for (int i = 1; i + 1 < argc; i += 2) {
        std::string key = argv[i], value = argv[i + 1];

        if (key == "--port")
            server.options.port = std::stoi(value);
        else if (key == "--model")
            server.options.model = value;
        else if (key == "--kind")
            server.options.kind = value;
        else if (key == "--threshold")
            server.options.threshold = std::stof(value);
        else if (key == "--iou")
            server.options.iou = std::stof(value);
    }
    signal(SIGTERM, [](int) { _exit(0); });
    return server.serve();
}
